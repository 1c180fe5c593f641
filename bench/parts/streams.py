"""Many streams at once: the tokens per second of all together, with default settings."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.client import client
from bench.servers import as_puna, llama_server
from bench.subjects import AS_PUNA, CRIA, Ask, Bench, Rounds, alternating, asks, own, peers
from bench.vocabulary import text
from puna.engine.environment import environment

PART = "streams"
_ROUNDS = 3
_COUNTS = (1, 2, 4, 8, 16, 32)
_PROMPT, _ANSWER = 16, 24
_ANSWERS = {CRIA: 256}
"""Where a model is so fast that shorter answers would tell of their beginnings only."""
_SLOTS, _CONTEXT = 8, 8192
"""Of the engine alone: what Puna chooses for the model that is measured, on a machine with enough memory."""


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure the smallest and the largest model."""
    for model in dict.fromkeys((next(iter(bench.models)), list(bench.models)[-1])):
        await _measure(bench, model, rounds)


async def _measure(bench: Bench, model: str, rounds: Rounds) -> None:
    answer = _ANSWERS.get(model, _ANSWER)
    async with AsyncExitStack() as stack:
        _, asker = await stack.enter_async_context(own(bench, model))
        others = await stack.enter_async_context(peers(bench, model))
        subjects = {name: asks(one, model) for name, one in {"puna": asker, **others}.items()}
        if bench.server:
            subjects |= await stack.enter_async_context(_engine(bench.server, bench.models[model]))
        for ask in subjects.values():
            await ask(text(_PROMPT, "warm up"), 1)
        for number in bench.rounds(_ROUNDS):
            for count in _COUNTS:
                for name in alternating(list(subjects), number):
                    rate = await _together(subjects[name], count, answer, f"{name} {number}")
                    rounds.add("throughput", name, "tokens/s", rate, model=model, at=count)


@asynccontextmanager
async def _engine(binary: Path, model: Path) -> AsyncIterator[dict[str, Ask]]:
    """Run a llama-server as Puna starts it, to tell what of a ratio is the engine's."""
    slots = ("-c", str(_SLOTS * _CONTEXT), "-np", str(_SLOTS))
    with llama_server(binary, model, *slots, *as_puna(binary), environment=environment()) as url:
        async with client(url) as asker:
            yield {AS_PUNA: asker.complete}


async def _together(ask: Ask, count: int, tokens: int, seed: str) -> float:
    began = time.perf_counter()
    prompts = [text(_PROMPT, (seed, count, number)) for number in range(count)]
    answers = await asyncio.gather(*(ask(prompt, tokens) for prompt in prompts))
    return sum(answer.tokens for answer in answers) / (time.perf_counter() - began)
