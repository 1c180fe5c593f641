"""Send a server odd requests and bombs, and see that it answers, that others are served, and that memory is bounded.

    python bench/attack.py [--bodies 10000] [--bombs 500] [--first 0] [--seed 1] [--clients 4] [--minutes M]
                           [--engine LLAMA-SERVER] [--log FILE] [--kinds]

Starts a server of its own with an empty store. What request number N of a seed is depends on nothing else, so that
``--first N --bodies 1 --bombs 0`` sends one again. Prints what happened; the status is 1 if anything was wrong.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.attack.run import Course, Plan, attack

from bench.arguments import add_engine


def report(course: Course, *, kinds: bool) -> str:
    """Return what came of an attack."""
    totals: Counter[str] = Counter()
    for (kind, outcome), count in course.outcomes.items():
        totals[f"{'body' if kind.startswith('body') else 'bomb'} {outcome}"] += count
    lines = [
        f"{course.bodies} bodies and {course.bombs} bombs in {course.seconds:.0f} s; the engine answered "
        f"{course.reached}; {len(course.faults)} faults",
        *(f"  {what}: {count}" for what, count in sorted(totals.items())),
        *course.sight.summary(),
        f"runners ended for: {dict(course.lost)}",
    ]
    slow = sorted(course.longest.items(), key=lambda item: -item[1])[:10]
    lines.append("longest: " + ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in slow))
    if kinds:
        lines += [f"  {kind} -> {outcome}: {count}" for (kind, outcome), count in sorted(course.outcomes.items())]
    return "\n".join([*lines, *(f"FAULT: {fault[:600]}" for fault in course.faults)])


async def run(plan: Plan, course: Course) -> None:
    """Attack until it is done or somebody has had enough."""
    task = asyncio.ensure_future(attack(plan, course))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--bombs", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    add_engine(parser)
    parser.add_argument("--log", type=Path, help="where to keep what the server logged")
    parser.add_argument("--kinds", action="store_true", help="tell what came of each kind")
    asked = parser.parse_args()
    plan = Plan(
        bodies=asked.bodies,
        bombs=asked.bombs,
        seed=asked.seed,
        first=asked.first,
        clients=asked.clients,
        seconds=asked.minutes * 60,
        engine=asked.engine or "",
    )
    course = Course()
    asyncio.run(run(plan, course))
    if asked.log:
        asked.log.write_text(course.log, encoding="utf-8")
    print(report(course, kinds=asked.kinds))
    return 1 if course.faults else 0


if __name__ == "__main__":
    sys.exit(main())
