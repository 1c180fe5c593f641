"""How much a busy machine slows a llama-server, for each way that its threads may wait for each other.

    python -m bench.neighbour --engine PROGRAM --model FILE [--rounds 3] [--tokens 32]

The ways take turns, each idle and beside one busy process for each core; printed are tokens per second of generation.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.arguments import add_engine
from bench.parts.neighbour import spinning
from puna.engine.config import RunnerConfig
from puna.engine.runner import Runner

_WAYS = (
    "",
    "GOMP_SPINCOUNT=100",
    "GOMP_SPINCOUNT=1000",
    "GOMP_SPINCOUNT=10000",
    "GOMP_SPINCOUNT=100000",
    "GOMP_SPINCOUNT=300000",
    "OMP_WAIT_POLICY=passive",
)


async def _speed(config: RunnerConfig, way: str, tokens: int) -> float:
    name, _, value = way.partition("=")
    if name:
        os.environ[name] = value
    try:
        with tempfile.TemporaryDirectory(prefix="pb-") as directory:
            runner = await Runner.start("bench", config, Path(directory), load_timeout=120)
            body = {"prompt": [5, 6, 7], "n_predict": tokens, "ignore_eos": True, "temperature": 0}
            await runner.client.complete(body | {"n_predict": 4})
            answer = await runner.client.complete(body)
            await runner.stop()
    finally:
        os.environ.pop(name, None)
    return float(answer["timings"]["predicted_per_second"])


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine(parser)
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    config = RunnerConfig(
        model_path=asked.model, engine=asked.engine or "", context=1024, threads=asked.threads, embedding=False
    )
    seen: dict[tuple[str, bool], list[float]] = {}
    for _ in range(asked.rounds):
        for busy in (False, True):
            with spinning((os.cpu_count() or 1) * busy):
                for way in _WAYS:
                    speed = asyncio.run(_speed(config, way, asked.tokens))
                    seen.setdefault((way, busy), []).append(speed)
    sys.stdout.write(f"{'way':28}{'idle':>10}{'busy':>10}  tokens/s, medians of {asked.rounds}\n")
    for way in _WAYS:
        idle, busy_speed = (statistics.median(seen[way, busy]) for busy in (False, True))
        sys.stdout.write(f"{way or 'as Puna starts it':28}{idle:10.1f}{busy_speed:10.1f}\n")


if __name__ == "__main__":
    _main()
