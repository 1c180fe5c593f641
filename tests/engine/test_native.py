"""A llama-server as a runner: what it is started with, and what is no llama-server."""

from pathlib import Path

import pytest

from puna.engine import native
from puna.engine.config import RunnerConfig
from puna.engine.engines import About
from puna.engine.native import UnusableEngineError, command, identity, known_options

NEW = """--host H --slots --slot-save-path P --cache-ram N --context-shift --jinja --reasoning-format F --fit --no-ui
--kv-unified --no-kv-unified --kv-unified-per-slot N --load-mode M --spec-type T --no-repack --device D"""
OLD = """--host H --slots --slot-save-path P --cache-ram N --context-shift --jinja --reasoning-format F
--kv-unified --no-mmap"""


def script(folder: Path, text: str, name: str = "llama-server") -> str:
    """Return a program that writes ``text``."""
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    path.chmod(0o755)
    return str(path)


def started(engine: str, **values: object) -> list[str]:
    """Return the arguments of a runner."""
    config = RunnerConfig(model_path="/m.gguf", context=512, parallel=3, engine=engine, **values)  # type: ignore[arg-type]
    line = command(config, "/s/engine.sock")
    return line[line.index(engine) + 1 :]


def pair(arguments: list[str], option: str) -> str:
    """Return the value of an option."""
    return arguments[arguments.index(option) + 1]


def test_configuration_becomes_arguments(tmp_path: Path) -> None:
    arguments = started(
        script(tmp_path, NEW),
        batch=256,
        micro_batch=64,
        embedding=False,
        threads=3,
        threads_batch=5,
        kv_type="q8_0",
        flash_attention=True,
        gpu_layers=7,
        prompt_cache=9,
        slot_directory="/slots",
        adapter_paths=("/a.gguf", "/b,c.gguf"),
        use_mmap=False,
        speculation="ngram-simple",
        draft_tokens=8,
        draft_match=4,
    )
    wanted = {
        "--model": "/m.gguf",
        "--host": "/s/engine.sock",
        "--ctx-size": "1536",
        "--parallel": "3",
        "--batch-size": "256",
        "--ubatch-size": "64",
        "--threads": "3",
        "--threads-batch": "5",
        "--cache-type-k": "q8_0",
        "--cache-type-v": "q8_0",
        "--flash-attn": "on",
        "--n-gpu-layers": "7",
        "--cache-ram": "9",
        "--slot-save-path": "/slots/",
        "--load-mode": "none",
        "--spec-type": "ngram-simple",
        "--spec-ngram-simple-size-m": "8",
        "--spec-ngram-simple-size-n": "4",
        "--reasoning-format": "deepseek",
    }
    assert {option: pair(arguments, option) for option in wanted} == wanted
    assert pair(arguments, "--fit") == "off"
    assert pair(started(script(tmp_path, NEW), fit=True), "--fit") == "on"
    assert [arguments[place + 1] for place, part in enumerate(arguments) if part == "--lora"] == [
        "/a.gguf",
        '"/b,c.gguf"',
    ]
    assert "--no-kv-unified" in arguments
    assert not {"--embedding", "--kv-unified", "--kv-unified-per-slot"} & set(arguments)


def test_no_layer_on_a_card_means_no_card(tmp_path: Path) -> None:
    server = script(tmp_path, NEW)
    assert pair(started(server, gpu_layers=0), "--device") == "none"
    assert not any("--device" in started(server, gpu_layers=layers) for layers in (-1, 1))


def test_embedding_takes_whole_texts_at_a_time(tmp_path: Path) -> None:
    arguments = started(script(tmp_path, NEW), batch=256, micro_batch=64, pooling="mean")
    assert (pair(arguments, "--ubatch-size"), pair(arguments, "--pooling")) == ("256", "mean")
    assert {"--embedding", "--kv-unified"} <= set(arguments)
    assert pair(arguments, "--kv-unified-per-slot") == "512"


def test_older_server_gets_what_it_knows(tmp_path: Path) -> None:
    server = script(tmp_path, OLD)
    arguments = started(server, embedding=False, use_mmap=False)
    assert not {"--kv-unified", "--kv-unified-per-slot", "--fit", "--load-mode"} & set(arguments)
    assert {"--no-mmap", "--no-webui"} < set(arguments)
    assert "--kv-unified" in started(server), "vectors are wrong without it"
    with pytest.raises(UnusableEngineError, match="too old for speculation"):
        started(server, speculation="ngram-simple")


def test_weights_are_laid_out_as_the_build_is_the_faster(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    server = script(programs, NEW)
    assert "--no-repack" not in started(server), "nothing is known of it"
    for repack in (True, False):
        (tmp_path / "about.json").write_text(About(source="a test", version="1", repack=repack).to_json())
        assert ("--no-repack" in started(server)) is not repack
        assert "--no-repack" in started(server, repack=False), "what is asked for stands above it"
        assert "--no-repack" not in started(server, repack=True)
    script(programs, OLD)
    assert "--no-repack" not in started(server, repack=False), "it does not know that"


def test_what_is_no_llama_server_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UnusableEngineError, match="No such file"):
        known_options(str(tmp_path / "none"))
    (tmp_path / "text").write_text("x")
    with pytest.raises(UnusableEngineError, match="not a program"):
        known_options(str(tmp_path / "text"))
    with pytest.raises(UnusableEngineError, match="is not a llama-server"):
        known_options(script(tmp_path, "hello", "hello"))
    with pytest.raises(UnusableEngineError, match="too old: it lacks --cache-ram"):
        known_options(script(tmp_path, OLD.replace("--cache-ram", ""), "old"))


def test_server_is_looked_at_again_when_it_changes(tmp_path: Path) -> None:
    server = script(tmp_path, OLD)
    before, first = identity(server), known_options(server)
    script(tmp_path, NEW)
    assert known_options(server) > first - {"--no-mmap"}
    assert identity(server) != before, "what another build saved is of no use"


def test_instruction_sets_are_those_in_use() -> None:
    line = "0.01 I system_info: n_threads = 1 / 2 | CPU : SSE3 = 1 | AVX = 1 | AVX512 = 0 | AMX_INT8 = 1 |"
    assert native.used_instructions(line) == ("AVX", "AMX_INT8")
    card = line.replace("CPU :", "CUDA : ARCHS = 900 | USE_GRAPHS = 1 | CPU :")
    assert native.used_instructions(card) == ("AVX", "AMX_INT8"), "what a card can do is something else"
