"""Runs the router of a cluster over traces of a thousand models, a hundred thousand clients and five hundred nodes.

    python bench/simulate_cluster.py [--seconds 300] [--nodes 500] [--models 1000] [--clients 100000] [--rate 400]

Prints a table for docs/cluster-planning.md: the same trace with and without what the router knows, and with faults.
"""

import argparse
import math
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from puna.cluster.prefixes import Beginning, Prefixes, Step
from puna.cluster.simulator import Arrival, Fault, Result, SimModel, Simulation

_GB = 1 << 30
_MEMORY = 64 * _GB
_PIECE = 1024


def trace(asked: argparse.Namespace, rng: random.Random, *, blind: bool) -> Iterator[Arrival]:
    """Yield conversations by turns: models by Zipf's law, a system prompt for each model, answers of all lengths.

    ``blind`` leaves out what tells of prompts and conversations, so that the router places by load alone; what caches
    hold is counted all the same.
    """
    weights = [1 / (rank + 1) for rank in range(asked.models)]
    talks: dict[tuple[int, int], int] = {}
    at = 0.0
    while at < asked.seconds:
        at += rng.expovariate(asked.rate)
        client = int(asked.clients * rng.random() ** 2)
        model = rng.choices(range(asked.models), weights)[0] if rng.random() < 0.3 else client % asked.models
        turn = talks[client, model] = talks.get((client, model), 0) + 1
        steps = [Step(hash((model, piece)), (piece + 1) * _PIECE) for piece in range(8)]
        steps += [Step(hash((model, client, piece)), (9 + piece) * _PIECE) for piece in range(2 * turn)]
        beginning: Beginning = tuple(steps)
        name = "" if blind else f"{client}-{model}"
        answer = int(min(rng.lognormvariate(6, 0.8), 8000))
        yield Arrival(at, str(client), f"m{model}", beginning, answer, name, batch=rng.random() < 0.1)


def faults(asked: argparse.Namespace, rng: random.Random, each: float) -> Iterator[Fault]:
    """Yield the loss of a node every so many seconds; it comes back empty after two minutes."""
    at = each
    while at < asked.seconds:
        yield Fault(at, rng.randrange(asked.nodes), 120.0)
        at += each


def row(name: str, result: Result, seconds: float) -> str:
    """Return a line of the table."""
    done = [outcome for outcome in result.outcomes if not math.isnan(outcome.ended)]
    first = sorted(outcome.first for outcome in done)
    read = sum(outcome.arrival.beginning[-1].chars for outcome in done)
    cached = sum(outcome.cached for outcome in done)
    failed = sum(bool(outcome.error) for outcome in result.outcomes)
    moved = sum(outcome.moved for outcome in result.outcomes)
    p50, p95, p99 = (first[min(int(part * len(first)), len(first) - 1)] for part in (0.5, 0.95, 0.99))
    step = result.step_seconds / max(result.steps, 1)
    return (
        f"| {name} | {len(result.outcomes):,} | {p50:.1f} / {p95:.1f} / {p99:.1f} s | {cached / read:.2f} "
        f"| {result.loads:,} | {result.bytes_moved / 1e12:.2f} TB | {failed:,} / {moved:,} | {step * 1e6:.0f} µs "
        f"| {result.longest_table:,} | {seconds:.0f} s |"
    )


def main() -> None:
    """Run the traces that the page shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("seconds", 300), ("nodes", 500), ("models", 1000), ("clients", 100_000), ("rate", 400)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    rng = random.Random(3)
    sizes = {f"m{at}": SimModel(int(rng.choice((1, 2, 5, 5, 9, 20)) * _GB)) for at in range(asked.models)}
    homes = {name: {rng.randrange(asked.nodes), rng.randrange(asked.nodes)} for name in sizes}
    stored = [{name for name, nodes in homes.items() if at in nodes} for at in range(asked.nodes)]
    cases = (("as it is", False, 0.0), ("by load alone", True, 0.0), ("a node lost every 10 s", False, 10.0))
    print(
        "| | requests | first piece: half / 95 / 99 % | cached | loads | moved | failed / moved | step | table | took |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, blind, each in cases:
        if asked.only and asked.only != name:
            continue
        began = time.perf_counter()
        table = Prefixes(limit=0) if blind else Prefixes()
        simulation = Simulation(sizes, [_MEMORY] * asked.nodes, stored, timer=time.process_time, prefixes=table)
        losses = faults(asked, random.Random(5), each) if each else ()
        result = simulation.run(trace(asked, random.Random(4), blind=blind), losses)
        print(row(name, result, time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
