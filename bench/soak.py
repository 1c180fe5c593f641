"""Let clients come and go while runners are killed, and see that every request ends and nothing is left over.

    python bench/soak.py [--minutes 30] [--clients 50] [--kill-every 20] [--seed 1] [--pause 5]
                         [--engine LLAMA-SERVER] [--by-memory] [--log FILE]

Starts a server of its own with an empty store, and three models of which two fit. Clients stream, vanish, cancel and
return, and some send what would hold an engine for ever; every so many seconds a runner is killed, or stopped so that
the watchdog has to end it. ``--pause`` is how many seconds a client rests between requests on average. The models do
not fit together because no more than two are allowed, or, with ``--by-memory``, because a control group has memory for
two only, which not every system lets one make. Prints Markdown; the status is 1 if anything was not as it must be.
"""

import argparse
import asyncio
import contextlib
import signal
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.soak.run import Course, Plan, growth, soak

from bench.arguments import add_engine


def report(course: Course, seconds: float, clients: int, seed: int) -> str:
    """Return the course as Markdown."""
    record = course.record
    requests = sum(record.outcomes.values())
    lines = [
        f"{clients} clients for {seconds / 60:.1f} minutes (seed {seed}): {requests} requests, {course.loads} loads, "
        f"{len(course.faults)} faults.",
        "",
        "| | |\n|---|---|",
        *(f"| runners {how} | {count} |" for how, count in sorted(course.harm.items())),
        *(
            f"| seconds until a stream began, {priority}: median, 95 %, longest | {_spread(seconds)} |"
            for priority, seconds in sorted(record.first.items(), reverse=True)
        ),
        f"| seconds to an answer: median, 95 %, longest | {_spread(record.seconds)} |",
        f"| seconds until a request ended, longest | {record.longest:.2f} |",
        f"| processor time of the server | {course.processor_seconds:.0f} s |",
    ]
    if course.before and course.after:
        before, after = course.before, course.after
        most = max([sample.files for sample in course.samples], default=0)
        lines += [
            f"| memory of the server before, after | {before.rss / 1e6:.0f} MB, {after.rss / 1e6:.0f} MB |",
            f"| its growth from the second to the last fifth | {growth(course) / 1e6:.1f} MB |",
            f"| open files before, at most, after | {before.files}, {most}, {after.files} |",
            f"| threads before, after | {before.threads}, {after.threads} |",
        ]
    lines += ["", "| request, manner | outcome | count |", "|---|---|---|"]
    lines += [f"| {kind} | {outcome} | {count} |" for (kind, outcome), count in sorted(record.outcomes.items())]
    faults = Counter(course.faults).most_common(50)
    lines += ["", *(f"- FAULT, {count} times: {fault}" for fault, count in faults)]
    return "\n".join(lines)


def _spread(seconds: list[float]) -> str:
    """Return the median, the 95th percentile and the longest."""
    times = sorted(seconds) or [0.0]
    cuts = statistics.quantiles(times, n=20, method="inclusive") if len(times) > 1 else times * 19
    return f"{cuts[9]:.2f}, {cuts[18]:.2f}, {times[-1]:.2f}"


async def run(asked: argparse.Namespace, course: Course) -> None:
    """Soak until the time is up or somebody has had enough."""
    plan = Plan(
        seconds=asked.minutes * 60,
        clients=asked.clients,
        harm_every=asked.kill_every,
        seed=asked.seed,
        pause=asked.pause,
        engine=asked.engine or "",
        by_memory=asked.by_memory,
    )
    task = asyncio.ensure_future(soak(plan, course))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Soak and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--kill-every", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=5)
    add_engine(parser)
    parser.add_argument("--by-memory", action="store_true", help="let memory alone keep the models from being together")
    parser.add_argument("--log", type=Path, help="where to keep what the server logged")
    asked = parser.parse_args()
    course = Course()
    began = time.monotonic()
    asyncio.run(run(asked, course))
    if asked.log:
        asked.log.write_text(course.log, encoding="utf-8")
    print(report(course, time.monotonic() - began, asked.clients, asked.seed))
    sys.exit(bool(course.faults))


if __name__ == "__main__":
    main()
