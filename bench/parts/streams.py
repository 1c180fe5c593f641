"""Many streams at once: the tokens per second of all together, with default settings."""

import asyncio
import time

from bench.client import Client
from bench.subjects import Bench, Rounds, alternating, own, peers
from bench.vocabulary import text

PART = "streams"
_ROUNDS = 3
_COUNTS = (1, 2, 4, 8, 16, 32)
_PROMPT, _ANSWER = 16, 24


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure the largest model."""
    model = list(bench.models)[-1]
    async with own(bench, model) as (_, asker), peers(bench, model) as others:
        subjects = {"puna": asker, **others}
        for subject in subjects.values():
            await subject.generate(model, text(_PROMPT, "warm up"), 1)
        for number in bench.rounds(_ROUNDS):
            for count in _COUNTS:
                for name in alternating(list(subjects), number):
                    rate = await _together(subjects[name], model, count, f"{name} {number}")
                    rounds.add("throughput", name, "tokens/s", rate, model=model, at=count)


async def _together(asker: Client, model: str, count: int, seed: str) -> float:
    began = time.perf_counter()
    prompts = [text(_PROMPT, (seed, count, number)) for number in range(count)]
    answers = await asyncio.gather(*(asker.generate(model, prompt, _ANSWER) for prompt in prompts))
    return sum(answer.tokens for answer in answers) / (time.perf_counter() - began)
