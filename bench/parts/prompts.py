"""Long prompts at once: the seconds to their first tokens, beside one after another, and with a common beginning."""

import asyncio
import time

from bench.client import Client
from bench.subjects import Bench, Rounds, own, peers
from bench.vocabulary import text

PART = "prompts"
AT_ONCE, FIRST_AT_ONCE, IN_TURN = "at once, last", "at once, first", "one after another"
SHARED = "with a common beginning, last"
_ROUNDS = 3
_COUNTS = (1, 2, 4, 8)
_PROMPT, _COMMON, _QUESTION, _ANSWER = 1200, 2400, 24, 16


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure the smallest model that is as large as real ones; the longer a step, the less its company matters."""
    model = bench.real
    async with own(bench, model) as (_, asker), peers(bench, model) as others:
        askers = {"puna": asker, **others}
        for one in askers.values():
            await one.generate(model, text(_QUESTION, "warm up"), 1)
        for number in bench.rounds(_ROUNDS):
            for name, one in askers.items():
                await compare(one, model, name, f"{name} {number}", rounds)


async def compare(asker: Client, model: str, name: str, seed: str, rounds: Rounds) -> None:
    """Measure one server once."""
    for count in _COUNTS:
        took = await _in_turn(asker, model, [text(_PROMPT, (seed, count, at)) for at in range(count)])
        rounds.add(IN_TURN, name, "s", took, model=model, at=count)
        firsts = await _at_once(asker, model, [text(_PROMPT, (seed, count, -at - 1)) for at in range(count)])
        rounds.add(FIRST_AT_ONCE, name, "s", firsts[0], model=model, at=count)
        rounds.add(AT_ONCE, name, "s", firsts[-1], model=model, at=count)
    for count in (1, _COUNTS[-1]):
        common = text(_COMMON, (seed, count, "common"))
        prompts = [common + text(_QUESTION, (seed, count, "question", at)) for at in range(count)]
        rounds.add(SHARED, name, "s", (await _at_once(asker, model, prompts))[-1], model=model, at=count)


async def _at_once(asker: Client, model: str, prompts: list[str]) -> list[float]:
    """Return the seconds to the first tokens, the shortest first."""
    answers = await asyncio.gather(*(asker.generate(model, prompt, _ANSWER) for prompt in prompts))
    return sorted(answer.first for answer in answers)


async def _in_turn(asker: Client, model: str, prompts: list[str]) -> float:
    """Return the seconds to the first token of the last, where each comes when the one before is answered."""
    began = time.perf_counter()
    for prompt in prompts:
        answer = await asker.generate(model, prompt, _ANSWER)
    return time.perf_counter() - began - (answer.seconds - answer.first)
