"""Traces whose waiting times can be told by hand, and a large one."""

import random
import time
from dataclasses import replace

import pytest

from puna.scheduler.memory import Footprint
from puna.scheduler.simulator import Arrival, Machine, ModelSpec, simulate, waits

GIB = 1 << 30
SPEC = ModelSpec(Footprint(4 * GIB, 0, 8192), load_seconds=2, prompt_rate=100, output_rate=10)
MACHINE = Machine(models={"x": SPEC, "y": SPEC}, memory=6 * GIB, parallel=1)


def waited(trace: list[Arrival], machine: Machine = MACHINE) -> list[float | None]:
    outcomes = simulate(trace, machine).outcomes
    assert [outcome.arrival for outcome in outcomes] == trace
    return [outcome.waited if outcome.waited is None else round(outcome.waited, 6) for outcome in outcomes]


def test_one_after_the_other() -> None:
    trace = [Arrival(0, "a", "x", 100, 20), Arrival(1, "b", "x", 0, 10), Arrival(20, "c", "x", 0, 10)]
    assert waited(trace) == [2, 4, 0]


def test_clients_take_turns_and_batch_comes_last() -> None:
    hog = [Arrival(0, "a", "x", 0, 10) for _ in range(3)]
    trace = [*hog, Arrival(0, "b", "x", 0, 10, batch=True), Arrival(0, "c", "x", 0, 10)]
    assert waited(trace) == [2, 4, 5, 6, 3]
    assert waited(trace, replace(MACHINE, fair=False, classes=False)) == [2, 3, 4, 5, 6]


def test_models_that_do_not_fit_together_take_turns() -> None:
    trace = [Arrival(0, "a", "x", 0, 60), Arrival(0, "b", "x", 0, 60), Arrival(0, "c", "y", 0, 10)]
    assert waited(trace) == [2, 8, 16]
    assert waited(trace, replace(MACHINE, turn=1)) == [2, 8, 16]  # four times the load at least
    assert waited(trace, replace(MACHINE, memory=12 * GIB))[2] == 4


def test_batching_is_faster_than_one_by_one() -> None:
    trace = [Arrival(0, name, "x", 0, 100) for name in "abcd"]
    slow, fast = (simulate(trace, replace(MACHINE, parallel=parallel)).end for parallel in (1, 4))
    assert slow == pytest.approx(42)
    assert fast == pytest.approx(2 + 40 / 4**0.3)


def test_a_full_queue_and_a_model_that_never_fits() -> None:
    trace = [Arrival(0, "a", "x", 0, 10) for _ in range(4)]
    assert waited(trace, replace(MACHINE, max_queue=2)) == [2, 3, None, None]
    assert waited(trace[:1], replace(MACHINE, memory=GIB)) == [None]


def test_the_summary() -> None:
    trace = [Arrival(0, "a", "x", 0, 10) for _ in range(20)]
    own = waits(simulate(trace, MACHINE).outcomes)
    assert (own.count, own.mean, own.p50, own.p95, own.longest, own.refused) == (20, 11.5, 11, 20, 21, 0)
    assert waits([]).count == 0


def test_hundreds_of_models_and_thousands_of_clients_are_planned_in_seconds_and_alike() -> None:
    chance = random.Random(7)
    names = [f"m{number}" for number in range(300)]
    moments = sorted(chance.uniform(0, 13_000) for _ in range(2000))
    trace = [
        Arrival(at, f"c{chance.randrange(3000)}", chance.choice(names), 100, 20, chance.random() < 0.3)
        for at in moments
    ]
    machine = Machine(models=dict.fromkeys(names, SPEC), memory=60 * GIB, max_queue=10_000)
    began = time.process_time()
    first = simulate(trace, machine)
    assert time.process_time() - began < 60
    assert len(first.outcomes) == len(trace)
    assert all(outcome.waited is not None for outcome in first.outcomes)
    assert simulate(trace, machine) == first
