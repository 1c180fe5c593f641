"""Long prompts of one runner are read one at a time, short ones whenever they come."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from puna import builtin
from puna.engine.client import EngineClient
from puna.engine.config import RunnerConfig
from puna.engine.errors import RunnerCrashedError
from puna.engine.prompt_gate import PromptGate, is_long
from puna.engine.protocol import Route
from puna.engine.runner import Runner
from puna.models.library import Library

LONG = 1200


@pytest.fixture
async def runner() -> AsyncIterator[Runner]:
    model = Library(builtin.STORE).get(builtin.CRIA)
    with tempfile.TemporaryDirectory(prefix="pt-") as directory:
        config = RunnerConfig(
            model_path=str(model.path), context=2048, parallel=4, threads=1, embedding=False, prompt_cache=64
        )
        started = await Runner.start("cria", config, Path(directory), load_timeout=60)
        yield started
        await started.stop()


async def read(client: EngineClient, first: int, tokens: int, order: list[int]) -> None:
    """Read a prompt that begins with ``first`` like no other, and note when its first token came and its last."""
    body = {"prompt": [first] * tokens, "n_predict": 4, "stream": True, "return_progress": True, "ignore_eos": True}
    async with aclosing(client.stream(Route.COMPLETION, body)) as stream:
        async for events in stream:
            order += [first for event in events if event.get("prompt_progress")]


async def test_long_prompts_are_read_one_after_another(runner: Runner) -> None:
    order: list[int] = []
    await asyncio.gather(*(read(runner.client.borrowed(), 300 + number, LONG, order) for number in range(4)))
    turns = [now for before, now in zip([0, *order], order, strict=False) if now != before]
    assert len(order) > len(turns), "each is read in several steps"
    assert turns == [300, 301, 302, 303]


async def test_a_short_prompt_does_not_wait(runner: Runner) -> None:
    gate_holder = runner.client.borrowed()
    await gate_holder._gate.enter()
    order: list[int] = []
    async with asyncio.timeout(60):
        await read(runner.client.borrowed(), 300, 20, order)
    gate_holder._gate.leave()


async def test_who_goes_away_or_is_cancelled_takes_no_turn(runner: Runner) -> None:
    client = runner.client
    await client._gate.enter()
    gone = asyncio.create_task(read(client.borrowed(), 300, LONG, []))
    ended = client.borrowed()
    cancelled = asyncio.create_task(read(ended, 301, LONG, []))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone.cancel()
    ended.abort()
    with pytest.raises(asyncio.CancelledError):
        await gone
    with pytest.raises(RunnerCrashedError):
        await cancelled
    client._gate.leave()
    async with asyncio.timeout(60):
        await read(client.borrowed(), 302, LONG, [])


async def test_a_turn_that_comes_in_the_moment_of_leaving_is_passed_on() -> None:
    gate = PromptGate()
    await gate.enter()
    waiting = asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(20):
        await gate.enter()


@pytest.mark.parametrize("steps", range(8))
async def test_a_turn_is_passed_on_whenever_the_request_it_is_for_goes_away(steps: int) -> None:
    gate = PromptGate()
    holder, waiting, next_one = (EngineClient(AsyncMock(), gate=gate) for _ in range(3))
    await holder.take_turn()
    task = asyncio.create_task(waiting.take_turn())
    for _ in range(8):
        await asyncio.sleep(0)
    holder.leave_turn()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    waiting.leave_turn()
    async with asyncio.timeout(20):
        await next_one.take_turn()


@pytest.mark.parametrize(
    ("body", "long"),
    [
        ({"prompt": [1] * 256}, False),
        ({"prompt": [1] * 257}, True),
        ({"prompt": {"prompt_string": "x" * 5000}}, True),
        ({"messages": [{"content": "x" * 600}, {"content": "y" * 600}]}, True),
        ({"messages": [{"content": "hi"}, {"role": "assistant"}]}, False),
        ({}, False),
    ],
)
def test_what_is_long(body: dict[str, object], long: bool) -> None:
    assert is_long(body) is long


async def test_each_slot_has_a_cache_of_its_own(runner: Runner) -> None:
    for first in (300, 301, 302):
        await runner.client.complete({"prompt": [first] * LONG, "n_predict": 1, "cache_prompt": True})
    held = [slot.get("n_prompt_tokens", 0) for slot in await runner.client.slots()]
    assert sorted(held) == [0, *[LONG] * 3], "with one for all, who comes makes the engine empty the others"
