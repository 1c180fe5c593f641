"""What serving costs: start-up, memory, first token, and tokens per second through the API beside the engine alone.

    python bench/serving.py [--model cria] [--rounds 5] [--tokens 200]

Starts a server of its own on a free port with an empty store, asks the built-in model, and asks the very same runner
directly over its socket, in turns, so that the two are compared in one run. Prints Markdown.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from puna.engine.client import EngineClient
from puna.models.library import Library
from puna.scheduler.options import RunnerOptions
from puna.scheduler.scheduler import Scheduler
from puna.settings import Settings

PROMPT = "Tell me about the sea."


@dataclass(frozen=True, slots=True)
class Server:
    """A server under measurement."""

    url: str
    pid: int
    ready_seconds: float


@contextmanager
def serve(directory: str) -> Iterator[Server]:
    """Run a server with an empty store."""
    environment = os.environ | {"OLLAMA_HOST": "127.0.0.1:0", "OLLAMA_MODELS": f"{directory}/models"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    try:
        line = process.stdout.readline().decode() if process.stdout else ""
        url = line.split(" listens on ")[1].split(",")[0]
        yield Server(url, process.pid, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(10)


def ask(url: str, body: dict[str, Any]) -> tuple[float, float, dict[str, Any]]:
    """Return the seconds to the first token and to the last, and the final object of a streamed generation."""
    request = urllib.request.Request(f"{url}/api/generate", json.dumps(body).encode())
    started = time.perf_counter()
    first, last = 0.0, {}
    with urllib.request.urlopen(request) as response:
        for line in response:
            first = first or time.perf_counter() - started
            last = json.loads(line)
    return first, time.perf_counter() - started, last


async def ask_engine(client: EngineClient, tokens: int) -> float:
    """Return the tokens per second of one streamed generation of the engine asked directly."""
    body = {"prompt": PROMPT, "n_predict": tokens, "ignore_eos": True, "stream": True, "cache_prompt": False}
    started = time.perf_counter()
    async for _ in client.stream("/completion", body):
        pass
    return tokens / (time.perf_counter() - started)


async def compare(server: Server, model: str, rounds: int, tokens: int) -> list[tuple[float, float]]:
    """Return tokens per second (API, engine) of each round; both ask runners with the same configuration."""
    body = {"model": model, "prompt": PROMPT, "raw": True, "options": {"num_predict": tokens, "ignore_eos": True}}
    result = []
    with tempfile.TemporaryDirectory() as directory:
        scheduler = Scheduler(Settings.from_env({}), Path(directory))
        async with scheduler.acquire(Library(Path(directory)).get(model), RunnerOptions()) as lease:
            await ask_engine(lease.runner.client, tokens)
            for _ in range(rounds):
                _, seconds, _ = await asyncio.to_thread(ask, server.url, body)
                result.append((tokens / seconds, await ask_engine(lease.runner.client, tokens)))
        await scheduler.close()
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cria")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, serve(directory) as server:
        idle = psutil.Process(server.pid).memory_info().rss
        body = {"model": arguments.model, "prompt": PROMPT, "options": {"num_predict": 1}}
        cold, _, _ = ask(server.url, body)
        warm = statistics.median(ask(server.url, body)[0] for _ in range(arguments.rounds))
        loaded = psutil.Process(server.pid).memory_info().rss
        rates = asyncio.run(compare(server, arguments.model, arguments.rounds, arguments.tokens))
    ratios = sorted(api / engine for api, engine in rates)
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
    print("| measure | value |\n|---|---|")
    print(f"| `puna serve` to ready | {server.ready_seconds:.2f} s |")
    print(f"| resident memory, idle server | {idle / 1e6:.0f} MB |")
    print(f"| resident memory of the server after requests | {loaded / 1e6:.0f} MB |")
    print(f"| first token of {arguments.model}, not loaded | {cold * 1000:.0f} ms |")
    print(f"| first token of {arguments.model}, loaded | {warm * 1000:.1f} ms |")
    print(f"| tokens/s through the API (median) | {statistics.median(api for api, _ in rates):.0f} |")
    print(f"| tokens/s of the engine alone (median) | {statistics.median(engine for _, engine in rates):.0f} |")
    print(f"| API ÷ engine, median (lowest to highest) | {spread} |")


if __name__ == "__main__":
    main()
