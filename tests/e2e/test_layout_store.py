"""A store that Ollama wrote, with a model of each layout: lists and descriptions tell what is true of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import Serve
from tests.e2e.ollama_store import OllamaStore
from tests.models.layouts.files import arrays, random, write
from tests.server import Server, World

from puna.models.layouts.families import ALL

BASE = {".block_count": 2, ".embedding_length": 8, ".context_length": 512}
EYES = {
    ".vision.block_count": 1,
    ".vision.embedding_length": 8,
    ".vision.patch_size": 4,
    ".vision.image_size": 8,
    ".vision.attention.head_count": 2,
}
SEES = {layout.name: architecture for layout in ALL if layout.projector for architecture in layout.architectures[:1]}
SPEAKS = {
    "gemma4": ("gemma4", "gemma4"),
    "qwen35": ("qwen3.5", "qwen3.5"),
    "qwen3vl": ("qwen3-vl-instruct", "qwen3-vl-instruct"),
    "glm4moelite": ("glm-4.7", "glm-4.7"),
    "lfm2": ("lfm2", "lfm2"),
    "laguna": ("laguna", "laguna"),
    "nemotron_h_moe": ("nemotron-3-nano", "nemotron-3-nano"),
}
"""The renderers and parsers that Ollama's manifests name."""
ODD = {"clip": "a projector's file", "bert": "made to embed", "llama": "known by its vocabulary"}


def _file(folder: Path, architecture: str, *, eyes: bool) -> Path:
    keys = BASE | (EYES if eyes else {})
    tensors = {"token_embd.weight": random("t", 4, 8), "output_norm.weight": random("n", 8, kind=np.float32)}
    tensors |= arrays(v__blk__0__attn_q__weight=(8, 8), mm__0__weight=(8, 8)) if eyes else {}
    return write(folder / f"{architecture}.gguf", architecture, keys, tensors, tokens=4)


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    """Models by name: the architecture of their file."""
    return {
        f"{name.replace('_', '-')}:latest": name for layout in ALL for name in layout.architectures if name not in ODD
    }


@pytest.fixture
def server(serve: Serve, names: dict[str, str], tmp_path: Path) -> Server:
    world = World()
    store = OllamaStore(world.models)
    for name, architecture in names.items():
        renderer, parser = SPEAKS.get(architecture, ("", ""))
        config = {"model_family": architecture, "model_families": [architecture], "model_type": "1K"}
        if renderer:
            config |= {"renderer": renderer, "parser": parser, "requires": "0.14.0"}
        path = _file(tmp_path, architecture, eyes=architecture in SEES.values())
        store.model(name, [store.add(path)], config, template="{{ .Prompt }}")
    return serve(world=world)


def test_each_is_told_of_truly(server: Server, names: dict[str, str]) -> None:
    listed: dict[str, Any] = {entry["name"]: entry for entry in server.get("/api/tags").json()["models"]}
    for name, architecture in names.items():
        shown = server.ask("/api/show", {"model": name})
        assert "warning" not in shown, name
        assert "warning" not in listed[name], name
        assert shown["details"]["family"] == shown["model_info"]["general.architecture"] == architecture
        assert shown["capabilities"] == listed[name]["capabilities"], name
        assert listed[name]["details"]["context_length"] == 512
        assert listed[name]["details"]["embedding_length"] == 8
        sees = architecture in SEES.values()
        assert ("vision" in shown["capabilities"]) == sees, name
        assert bool(shown.get("projector_info")) == sees, name
        if sees:
            assert shown["projector_info"]["general.architecture"] == "clip"
            assert shown["projector_info"]["clip.vision.embedding_length"] == 8
        renderer, parser = SPEAKS.get(architecture, (None, None))
        assert (shown.get("renderer"), shown.get("parser")) == (renderer, parser), name
        assert shown.get("requires") == ("0.14.0" if renderer else None)


def test_the_command_prints_it(server: Server, names: dict[str, str]) -> None:
    server.world.environment["OLLAMA_HOST"] = server.url
    text = server.world.run("show", "qwen35").stdout
    for line in ("architecture        qwen35", "requires            0.14.0", "vision", "architecture        clip"):
        assert line in text
    done = server.world.run("list")
    assert done.stderr == ""
    assert all(name in done.stdout for name in names)
