"""The simulator: the same trace has the same end, and what it shows follows from what the router knows."""

import math
import random
from collections.abc import Iterator

from puna.cluster.prefixes import Step
from puna.cluster.simulator import Arrival, Fault, Result, SimModel, Simulation

GB = 1 << 30


def talks(count: int) -> Iterator[Arrival]:
    rng = random.Random(1)
    for number in range(count):
        talk, turn = number % 24, number // 24
        steps = tuple(Step(hash((talk, at)), (at + 1) * 1000) for at in range(turn + 1))
        yield Arrival(number * 1.5, f"c{talk}", f"m{talk % 3}", steps, rng.randrange(100, 400), str(talk))


def run(nodes: int = 4, *, faults: list[Fault] | None = None) -> Result:
    models = {f"m{at}": SimModel(5 * GB) for at in range(3)}
    stored = [{"m0", "m1"}, {"m2"}, *({"m0"} for _ in range(nodes - 2))]
    return Simulation(models, [16 * GB] * nodes, stored).run(talks(300), faults or [])


def test_the_same_trace_has_the_same_end() -> None:
    one, other = run(), run()
    assert [(outcome.ended, outcome.cached) for outcome in one.outcomes] == [
        (outcome.ended, outcome.cached) for outcome in other.outcomes
    ]


def test_conversations_find_their_caches() -> None:
    later = run().outcomes[24:]
    cached = sum(outcome.cached for outcome in later)
    known = sum(outcome.arrival.beginning[-1].chars - 1000 for outcome in later)
    assert cached / known > 0.95


def test_every_request_has_an_end_whatever_fails() -> None:
    faults = [Fault(20.0 + 15 * at, at % 4, 30.0) for at in range(20)]
    outcomes = run(faults=faults).outcomes
    assert all(outcome.error or not math.isnan(outcome.ended) for outcome in outcomes)
    assert any(outcome.moved or outcome.error for outcome in outcomes)
    assert sum(bool(outcome.error) for outcome in outcomes) < 30
