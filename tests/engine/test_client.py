"""The client of a runner, against a real one."""

import tempfile
from pathlib import Path

import pytest

from puna import builtin
from puna.engine import client as client_module
from puna.engine.config import RunnerConfig
from puna.engine.memory_limit import allocated, limit_memory
from puna.engine.runner import Runner
from puna.models.library import Library


async def test_a_large_body_is_sent_without_a_warning() -> None:
    model = Library(builtin.STORE).get(builtin.CRIA)
    config = RunnerConfig(model_path=str(model.path), context=256, parallel=1, threads=1)
    with tempfile.TemporaryDirectory(prefix="pt-") as directory:
        runner = await Runner.start("cria", config, Path(directory), load_timeout=60)
        try:
            tokens = await runner.client.tokenize("hi " * 500_000)
        finally:
            await runner.stop()
    assert len(tokens) > 400_000


async def test_a_text_far_beyond_the_context_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_LONGEST_PIECE", 1 << 18)
    model = Library(builtin.STORE).get(builtin.CRIA)
    config = RunnerConfig(model_path=str(model.path), context=256, parallel=1, threads=1)
    words = "the cat sat on a mat. " * 30_000
    with tempfile.TemporaryDirectory(prefix="pt-") as directory:
        runner = await Runner.start("cria", config, Path(directory), load_timeout=60)
        try:
            client = runner.client
            assert await client.tokenize(words) == await client._tokens(words, True, True)
            assert await client.token_count(words) == len(await client.tokenize(words))
            limit_memory(runner.pid, allocated(runner.pid) + (96 << 20))
            assert len(await client.tokenize(words * 8)) > 2_000_000
        finally:
            await runner.stop()
