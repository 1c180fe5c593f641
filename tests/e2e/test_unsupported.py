"""Models that nothing here can run: kept, and said so in the same words wherever somebody meets them."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.conftest import Serve
from tests.e2e.ollama_store import OllamaStore
from tests.models.layouts.files import write
from tests.models.registry.fake import FakeRegistry
from tests.models.registry.fake import serve as serve_registry
from tests.server import Server, World

_OLD_TYPE = 4  # what Ollama called MXFP4 before October 2025
REASONS = {
    "llama3.2-vision:latest": "the engine does not know the architecture 'mllama' (no version of llama.cpp runs "
    "Llama 3.2 Vision; gemma3, qwen2.5vl and llama4 see pictures and run here)",
    "tomorrow:latest": "the engine does not know the architecture 'of-tomorrow' "
    "(a later one may: update Puna, or use another model)",
    "flan-t5:latest": "llama.cpp's server runs no model that has an encoder and a decoder, as T5; use another model",
    "gpt-oss:20b": "its file has the number format that gpt-oss had before October 2025; pull the model again",
}


def unknown(folder: Path, architecture: str) -> Path:
    keys = {".block_count": 1, ".context_length": 64, ".embedding_length": 8}
    return write(
        folder / f"{architecture}.gguf", architecture, keys, {"token_embd.weight": np.zeros((8, 8), np.float32)}
    )


def old_gpt_oss(folder: Path) -> Path:
    """Write a gpt-oss whose experts are in the type that was dropped."""
    path = folder / "gpt-oss.gguf"
    writer = gguf.GGUFWriter(path, "gptoss")
    for key, value in {"block_count": 1, "context_length": 64, "embedding_length": 32}.items():
        writer.add_uint32(f"gptoss.{key}", value)
    writer.add_tensor("token_embd.weight", np.zeros((8, 32), np.float32))
    experts = np.zeros((2, 32, 17), np.uint8)
    writer.add_tensor("blk.0.ffn_gate_exps.weight", experts, raw_dtype=gguf.GGMLQuantizationType.MXFP4)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    name = b"blk.0.ffn_gate_exps.weight"
    data = bytearray(path.read_bytes())
    place = data.index(name) + len(name) + 4 + 3 * 8
    assert data[place] == gguf.GGMLQuantizationType.MXFP4
    data[place] = _OLD_TYPE
    path.write_bytes(data)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = (*(unknown(tmp_path, name) for name in ("mllama", "of-tomorrow", "t5")), old_gpt_oss(tmp_path))
    return dict(zip(REASONS, paths, strict=True))


def family(path: Path) -> str:
    return {"gpt-oss.gguf": "gptoss"}.get(path.name, path.stem)


@pytest.fixture
def server(serve: Serve, files: dict[str, Path]) -> Server:
    """A server on a store that Ollama wrote."""
    world = World()
    store = OllamaStore(world.models)
    for name, path in files.items():
        config = {"model_family": family(path), "model_families": [family(path)], "model_type": "1K"}
        store.model(name, [store.add(path)], config, template="{{ .Prompt }}")
    return serve(world=world)


def test_lists_and_descriptions_say_it(server: Server) -> None:
    listed = {entry["name"]: entry.get("warning") for entry in server.get("/api/tags").json()["models"]}
    assert listed == {**REASONS, "cria:latest": None}
    for name, reason in REASONS.items():
        assert server.ask("/api/show", {"model": name})["warning"] == reason
    assert "warning" not in server.ask("/api/show", {"model": "cria"})


def test_commands_say_it(server: Server) -> None:
    server.world.environment["OLLAMA_HOST"] = server.url
    done = server.world.run("list")
    assert done.stdout.count("\n") == 1 + len(REASONS) + 1
    assert set(done.stderr.splitlines()) == {f"{name} cannot run: {reason}" for name, reason in REASONS.items()}
    for name, reason in REASONS.items():
        assert f"it cannot run: {reason}" in server.world.run("show", name).stdout


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed"])
def test_asked_all_the_same_it_is_the_callers_error(server: Server, path: str) -> None:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}], "prompt": "x", "input": "x"}
    for name, reason in REASONS.items():
        response = server.post(path, {"model": name, **asked})
        assert response.status_code == 400, response.text
        assert reason in response.json()["error"]


def test_create_keeps_it_with_a_warning(serve: Serve, files: dict[str, Path]) -> None:
    server = serve()
    for name, path in files.items():
        digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        server.post(f"/api/blobs/{digest}", path.read_bytes())
        lines = server.stream("/api/create", {"model": name, "files": {path.name: digest}})
        assert {"status": f"warning: this model cannot run here: {REASONS[name]}"} in lines
        assert lines[-1] == {"status": "success"}
        assert server.ask("/api/show", {"model": name})["warning"] == REASONS[name]


async def test_pull_keeps_it_with_a_warning(serve: Serve, files: dict[str, Path]) -> None:
    server = serve()
    for path, reason in zip(files.values(), REASONS.values(), strict=True):
        registry = FakeRegistry()
        registry.add(path.read_bytes())
        async with serve_registry(registry) as address:
            name = f"{address}/somebody/{path.stem}"
            lines = await asyncio.to_thread(server.stream, "/api/pull", {"model": name, "insecure": True})
        assert {"status": f"warning: this model cannot run here: {reason}"} in lines
        assert lines[-1] == {"status": "success"}
        assert server.ask("/api/show", {"model": name})["warning"] == reason
