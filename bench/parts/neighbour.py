"""A busy machine: how fast prompts are read and answers generated beside one busy process for each core."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from bench.subjects import Bench, Rounds, asks, own, peers
from bench.vocabulary import text

PART = "neighbour"
IDLE, BUSY = "idle", "busy"
_ROUNDS = 5
_PROMPT, _ANSWER = 256, 48


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure the smallest model that is as large as real ones."""
    model = bench.real
    async with own(bench, model) as (_, asker), peers(bench, model) as others:
        subjects = {name: asks(one, model) for name, one in {"puna": asker, **others}.items()}
        for ask in subjects.values():
            await ask(text(_PROMPT, "warm up"), _ANSWER)
        for number in bench.rounds(_ROUNDS):
            for state, count in ((IDLE, 0), (BUSY, os.cpu_count() or 1)):
                with spinning(count):
                    for name, ask in subjects.items():
                        answer = await ask(text(_PROMPT, (name, number, state)), _ANSWER)
                        rounds.add(f"prompt, {state}", name, "tokens/s", answer.prompt_rate, model=model)
                        rounds.add(f"generation, {state}", name, "tokens/s", answer.rate, model=model)


@contextlib.contextmanager
def spinning(count: int) -> Iterator[None]:
    """Run so many processes that compute all the time."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()
