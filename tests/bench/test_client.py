"""The load generator against a real server."""

import re
from pathlib import Path

import pytest
from bench.client import RefusedError, client
from bench.models import make
from bench.vocabulary import text
from tests.bench.shapes import SMALL
from tests.server import Server


async def test_an_answer_has_its_times_and_counts(server: Server) -> None:
    async with client(server.url) as asker:
        answer = await asker.generate("cria", "The sea", 20)
    assert answer.tokens == 20
    assert answer.prompt_tokens > 1
    assert 0 < answer.first < answer.seconds
    assert answer.rate == pytest.approx(19 / (answer.seconds - answer.first))


async def test_a_chat_is_counted_in_the_same_way(server: Server) -> None:
    async with client(server.url) as asker:
        answer = await asker.chat("cria", [{"role": "user", "content": "The sea"}], 20)
    assert answer.tokens == 20


async def test_a_refusal_is_told_from_an_answer(server: Server) -> None:
    async with client(server.url) as asker:
        with pytest.raises(RefusedError, match=re.escape("status 404")):
            await asker.generate("no-such-model", "The sea", 1)


async def test_a_model_is_added_once_and_can_be_unloaded_and_removed(server: Server, tmp_path: Path) -> None:
    path = make(SMALL, tmp_path / "m.gguf")
    async with client(server.url) as asker:
        assert await asker.add_model("bench-small", path)
        assert not await asker.add_model("bench-small", path)
        assert (await asker.generate("bench-small", text(30, 1), 4)).prompt_tokens == 30
        await asker.unload("bench-small")
        assert "bench-small" not in str(await asker.get("/api/ps"))
        await asker.remove_model("bench-small")
        assert "bench-small" not in str(await asker.get("/api/tags"))
