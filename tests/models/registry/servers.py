"""Servers that the tests run: Debian's docker-registry, and a proxy that damages what passes through it."""

import asyncio
import contextlib
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.system import require

_CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def docker_registry(directory: Path, auth: str = "") -> Iterator[str]:
    """Run docker-registry on a free port, with its data in ``directory``, and yield ``host:port``."""
    program, port = require("docker-registry"), free_port()
    config = directory / "config.yml"
    config.write_text(_CONFIG.format(root=directory / "data", port=port) + auth)
    process = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/v2/")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@dataclass
class Faults:
    """What a ``faulty_proxy`` does to answers: the probability of each kind in every ``reach`` bytes."""

    drop: float = 0.0
    stall: float = 0.0
    corrupt: float = 0.0
    truncate: float = 0.0
    reach: int = 100_000
    seed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    slow: float = 0.0
    """Seconds by which every 16 KiB on the way to the registry are delayed."""
    received: int = 0
    """Bytes that passed to clients."""


@contextlib.asynccontextmanager
async def faulty_proxy(upstream: str, faults: Faults) -> AsyncIterator[str]:
    """Forward TCP connections to ``upstream`` with faults on the way back, and yield ``host:port``."""
    chance = random.Random(faults.seed)
    host, _, port = upstream.partition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
            request = asyncio.ensure_future(_copy(reader, up_writer, faults.slow))
            try:
                await _copy_with_faults(up_reader, writer, faults, chance)
            finally:
                up_writer.close()
                writer.close()
                request.cancel()
                await asyncio.wait([request])
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            if task is not None:
                tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.sleep(0.01)  # connections that were just accepted begin, so that they can be ended
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(16384):
            await asyncio.sleep(delay)
            writer.write(data)
            await writer.drain()


async def _copy_with_faults(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Faults, chance: random.Random
) -> None:
    fault, position = _choose(faults, chance), chance.randrange(faults.reach)
    left = faults.reach
    while data := await reader.read(16384):
        if fault and len(data) > position:
            faults.counts[fault] = faults.counts.get(fault, 0) + 1
            if fault != "corrupt":
                writer.write(data[:position])
                await writer.drain()
                if fault == "stall":
                    await asyncio.sleep(60)
                if fault == "drop":
                    writer.transport.abort()
                return
            flipped = data[position] ^ (1 << chance.randrange(8))
            data = data[:position] + bytes([flipped]) + data[position + 1 :]
            fault = ""
        writer.write(data)
        await writer.drain()
        faults.received += len(data)
        position, left = position - len(data), left - len(data)
        if left <= 0:
            fault, position, left = _choose(faults, chance), chance.randrange(faults.reach), faults.reach


def _choose(faults: Faults, chance: random.Random) -> str:
    for fault in ("drop", "stall", "corrupt", "truncate"):
        if chance.random() < getattr(faults, fault):
            return fault
    return ""
