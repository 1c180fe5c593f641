"""Real servers that have each other for peers, and a model that one of them has."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests
from tests.models.registry.conftest import add_model
from tests.models.registry.servers import Faults, faulty_proxy
from tests.models.registry.weights import random_weights
from tests.server import Server, World, free_port

from puna.models.library import Library
from puna.models.store import digest_bytes

SIZE = 24_000_000
Start = Callable[..., Server]


def seed_world(world: World, name: str, *, seed: int = 1, size: int = SIZE) -> tuple[str, bytes]:
    """Put a model of random bytes into a world's store; return its weights' digest and these."""
    data = random_weights(seed, size)
    add_model(Library(world.models, hide_builtin=True), name, data)
    return digest_bytes(data), data


def node_worlds(count: int, **settings: str) -> list[World]:
    """Return worlds of servers that share everything and have each other for peers."""
    ports = [free_port() for _ in range(count)]
    worlds = []
    for port in ports:
        others = ",".join(f"http://127.0.0.1:{other}" for other in ports if other != port)
        own = {"OLLAMA_HOST": f"127.0.0.1:{port}", "PUNA_SHARE": "*", "PUNA_PEERS": others}
        worlds.append(World({**own, **settings}))
    return worlds


def sent(server: Server) -> int:
    """Return how many bytes of blobs a server has sent."""
    found = re.search(r'puna_transfer_bytes_total\{direction="out"\} (\S+)', server.get("/metrics").text)
    return int(float(found[1])) if found else 0


def pull(server: Server, model: str) -> list[dict]:
    """Pull a model and return the progress."""
    return server.stream("/api/pull", {"model": model, "insecure": True})


def pull_all(servers: list[Server], model: str) -> list[list[dict]]:
    """Pull a model on all servers at the same time; return the progress of each."""
    with ThreadPoolExecutor(len(servers)) as pool:
        return list(pool.map(lambda server: pull(server, model), servers))


def sources(progress: list[dict], digest: str) -> dict[str, int]:
    """Return how many bytes of a blob came from where."""
    return next(
        (line["sources"] for line in reversed(progress) if line.get("digest") == digest and "sources" in line), {}
    )


def has(server: Server, digest: str, data: bytes) -> bool:
    """Return whether a server's store has a blob, byte for byte."""
    path = server.world.models / "blobs" / digest.replace(":", "-")
    return path.is_file() and path.read_bytes() == data


@contextmanager
def proxy(upstream: str, faults: Faults) -> Iterator[str]:
    """Run a proxy before ``host:port`` that counts and spoils what passes, in a thread; yield its ``host:port``."""
    ready: list[str] = []
    begun, ended = threading.Event(), threading.Event()

    async def run() -> None:
        async with faulty_proxy(upstream, faults) as address:
            ready.append(address)
            begun.set()
            while not ended.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    begun.wait(10)
    try:
        yield ready[0]
    finally:
        ended.set()
        thread.join()


def get(server: Server, path: str, **more: object) -> requests.Response:
    """Send a GET request past the server's own session."""
    return requests.get(server.url + path, timeout=30, **more)  # type: ignore[arg-type]
