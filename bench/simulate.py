"""Compare ways to schedule by replaying a trace through Puna's own policy and queue, without running any model.

    python bench/simulate.py [--trace FILE] [--seed 1] [--requests 5000] [--clients 200] [--models 20] [--load 0.8]
                             [--memory-gib 24] [--json FILE]

Without ``--trace`` a trace is made from the seed: clients come at random, models are asked for by Zipf's law, a tenth
of the clients send batches of twenty. A trace is a file of JSON lines with the fields of
``puna.scheduler.simulator.Arrival``. The table has seconds of waiting for a slot. ``fair`` is what Puna does.
"""

import argparse
import dataclasses
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from puna.scheduler.memory import Footprint
from puna.scheduler.simulator import Arrival, Machine, ModelSpec, Outcome, simulate, waits

_GIB = 1 << 30
_SIZES = ((1.0, 40.0, 200.0), (2.5, 18.0, 90.0), (5.0, 9.0, 45.0))
"""Sizes of models: GiB of weights, generated and read tokens per second on a small processor."""
_LOAD_RATE = 1.0
"""GiB per second from disk."""
_BURST = 20
_POLICIES: dict[str, dict[str, Any]] = {
    "fair": {},
    "one line": {"fair": False, "classes": False},
    "no classes": {"classes": False},
    "no turns": {"turn": 0.0},
    "long turns": {"turn": 60.0},
    "one slot": {"parallel": 1},
}


def models(count: int) -> dict[str, ModelSpec]:
    """Return ``count`` models of the three sizes in turn."""
    specs = {}
    for number in range(count):
        gib, output_rate, prompt_rate = _SIZES[number % len(_SIZES)]
        footprint = Footprint(int(gib * _GIB), int(gib * (32 << 10)), 8192)
        specs[f"model{number}"] = ModelSpec(footprint, gib / _LOAD_RATE, prompt_rate, output_rate)
    return specs


def synthetic(seed: int, requests: int, clients: int, specs: dict[str, ModelSpec], load: float) -> list[Arrival]:
    """Return a trace whose work is ``load`` times what one request at a time could do."""
    chance = random.Random(seed)
    names = list(specs)
    popularity = [1 / (rank + 1) for rank in range(len(names))]
    bursts: list[list[Arrival]] = []
    made = 0
    while made < requests:
        number = chance.randrange(clients)
        batch = number % 10 == 0
        prompt, output = (int(min(chance.lognormvariate(mean, 0.8), 4000)) for mean in (5.0, 4.5))
        (model,) = chance.choices(names, popularity)
        arrival = Arrival(0.0, f"client{number}", model, prompt, output, batch)
        bursts.append([arrival] * (_BURST if batch and chance.random() < 1 / _BURST else 1))
        made += len(bursts[-1])
    work = sum(specs[arrival.model].work(arrival) for burst in bursts for arrival in burst)
    moments = sorted(chance.uniform(0, work / load) for _ in bursts)
    return [dataclasses.replace(arrival, at=at) for at, burst in zip(moments, bursts, strict=True) for arrival in burst]


def read_trace(path: Path) -> list[Arrival]:
    """Return the arrivals of a file in order of time."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return sorted((Arrival(**json.loads(line)) for line in lines if line.strip()), key=lambda arrival: arrival.at)


def groups(outcomes: list[Outcome]) -> dict[str, list[Outcome]]:
    """Return the outcomes by class, and those of the client that waited longest on average."""
    by_client: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.arrival.batch:
            by_client.setdefault(outcome.arrival.client, []).append(outcome)
    worst = max(by_client.values(), key=lambda own: waits(own).mean, default=[])
    return {
        "interactive": [outcome for outcome in outcomes if not outcome.arrival.batch],
        "batch": [outcome for outcome in outcomes if outcome.arrival.batch],
        "worst client": worst,
    }


def main() -> None:
    """Print a table of policies, and write the figures if asked."""
    parser = argparse.ArgumentParser(description="Compare ways to schedule, without running any model.")
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--load", type=float, default=0.8)
    parser.add_argument("--memory-gib", type=float, default=24)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    specs = models(asked.models)
    trace = (
        read_trace(asked.trace)
        if asked.trace
        else synthetic(asked.seed, asked.requests, asked.clients, specs, asked.load)
    )
    print("| policy | requests | waited | mean | p50 | p95 | max | refused | loads |")
    print("|---|---|---|---|---|---|---|---|---|")
    figures: dict[str, object] = {}
    for name, more in _POLICIES.items():
        began = time.perf_counter()
        machine = Machine(models=specs, memory=int(asked.memory_gib * _GIB), max_queue=len(trace), **more)
        result = simulate(trace, machine)
        seconds = time.perf_counter() - began
        for group, outcomes in groups(list(result.outcomes)).items():
            own = waits(outcomes)
            numbers = " | ".join(f"{value:.1f}" for value in (own.mean, own.p50, own.p95, own.longest))
            print(f"| {name} | {group} | {own.count} | {numbers} | {own.refused} | {result.loads} |")
            figures[f"{name}/{group}"] = dataclasses.asdict(own)
        print(f"{name}: {result.end:.0f} simulated seconds in {seconds:.1f}", file=sys.stderr)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
