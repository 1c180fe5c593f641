"""Five hundred clients at once: who is answered, who is sent away, who waits how long.

One client asks for half of the answers at once, and then many others come with a few requests each.
"""

import asyncio
import sys
import time
from dataclasses import dataclass

from bench.client import Answer, Client, RefusedError, client
from bench.stats import percentile
from bench.subjects import CRIA, Bench, Rounds, own, peers
from bench.vocabulary import text

PART = "queue"
_FLOOD, _OTHERS, _EACH = 250, 50, 5
_QUEUE = 64
"""How many may wait where more come, four times as many."""
_PROMPT, _ANSWER = 8, 32
_HEAD_START = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """How one request ended: seconds since the first was sent, and the answer or the refusal."""

    first: float
    answer: Answer | None
    retry_after: str


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure fairness with the default settings, then a queue that is too short."""
    async with own(bench, CRIA) as (server, _), peers(bench, CRIA):
        for name, url in {"puna": server.url, **bench.peers}.items():
            await _flooded(name, url, rounds)
    async with own(bench, CRIA, OLLAMA_MAX_QUEUE=str(_QUEUE)) as (server, asker):
        await _overflowing(asker, rounds)


async def _flooded(name: str, url: str, rounds: Rounds) -> None:
    began = time.perf_counter()
    async with client(url) as flooder:
        await flooder.generate(CRIA, "The sea", 1)
        flood = [asyncio.create_task(_ask(flooder, number, began)) for number in range(_FLOOD)]
        await asyncio.sleep(_HEAD_START)
        askers = [Client(url, address=_address(number)) for number in range(_OTHERS)]
        others = [asyncio.create_task(_ask(asker, number, began)) for number in range(_EACH) for asker in askers]
        results = {"the flood": await asyncio.gather(*flood), "the others": await asyncio.gather(*others)}
        for asker in askers:
            await asker.close()
    for who, theirs in results.items():
        waits = [result.answer.first for result in theirs if result.answer]
        rounds.add(f"answered, {who}", name, "requests", len(waits))
        rounds.add(f"sent away with Retry-After, {who}", name, "requests", sum(bool(r.retry_after) for r in theirs))
        rounds.add(f"median wait, {who}", name, "s", percentile(waits, 0.5))
        rounds.add(f"95% waited less, {who}", name, "s", percentile(waits, 0.95))
        rounds.add(f"longest wait, {who}", name, "s", max(waits))
    last = max(result.first for result in results["the others"])
    later = sum(result.first > last for result in results["the flood"])
    rounds.add("requests of the flood answered after all others", name, "requests", later)


async def _overflowing(asker: Client, rounds: Rounds) -> None:
    await asker.generate(CRIA, "The sea", 1)
    count = 4 * _QUEUE
    results = await asyncio.gather(*(_ask(asker, number, time.perf_counter()) for number in range(count)))
    answered = sum(result.answer is not None for result in results)
    sent_away = sum(bool(result.retry_after) for result in results)
    rounds.add("too many: requests", "puna", "requests", count)
    rounds.add("too many: answered", "puna", "requests", answered)
    rounds.add("too many: sent away with Retry-After", "puna", "requests", sent_away)
    rounds.add("too many: neither", "puna", "requests", count - answered - sent_away)


async def _ask(asker: Client, number: int, began: float) -> Result:
    sent = time.perf_counter() - began
    try:
        answer = await asker.generate(CRIA, text(_PROMPT, number), _ANSWER)
    except RefusedError as error:
        return Result(sent, None, error.retry_after)
    return Result(sent + answer.first, answer, "")


def _address(number: int) -> str:
    """Return a loopback address to tell a client by; only Linux has more than one."""
    return f"127.0.1.{number + 1}" if sys.platform == "linux" else ""
