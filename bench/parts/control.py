"""The server without the model: requests per second, processor time per token, memory, and the time to start."""

import asyncio
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from bench.client import Client, client
from bench.servers import PunaServer, puna
from bench.subjects import CRIA, Bench, Rounds, own
from bench.vocabulary import text

PART = "control"
_ROUNDS = 5
_CONNECTIONS = 4
_SECONDS = 1.0
_TOKENS = 1000
_SETTLE_SECONDS = 0.5
_HEAD_END = b"\r\n\r\n"
_PATHS = ("/api/version", "/api/tags")
_MODELS = 1000
MANY = f"GET /api/tags, {_MODELS:,} models"
_PROMPTED = {"/api/generate": "prompt", "/v1/completions": "prompt", "/v1/responses": "input"}
DIALECTS = (*_PROMPTED, "/api/chat", "/v1/chat/completions", "/v1/messages")


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure Puna with its built-in model, and only its requests per second on peers."""
    for _ in bench.rounds(_ROUNDS):
        await _start(bench, rounds)
    async with own(bench, *bench.models) as (server, asker):
        addresses = {"puna": server.url, **bench.peers}
        for _ in bench.rounds(_ROUNDS):
            for path in _PATHS:
                for name, url in addresses.items():
                    rounds.add(f"GET {path}", name, "requests/s", await asyncio.to_thread(_requests, url, path))
        await _many_models(bench, rounds)
        await asker.generate(CRIA, text(8, "warm up"), 1)
        for number in bench.rounds(_ROUNDS):
            await _tokens(server, asker, number, rounds)
        await asker.unload(CRIA)
        for model in bench.models:
            await _memory(server, asker, model, rounds)


async def _start(bench: Bench, rounds: Rounds) -> None:
    began = time.perf_counter()
    with puna(bench.home, **bench.engine) as server:
        async with client(server.url) as asker:
            rounds.add("start to version", "puna", "s", time.perf_counter() - began)
            await asker.generate(CRIA, "The sea", 1)
            rounds.add("start to first answer", "puna", "s", time.perf_counter() - began, model=CRIA)
    with puna(bench.home, **bench.engine) as server:
        await asyncio.sleep(_SETTLE_SECONDS)
        rounds.add("idle memory", "puna", "MB", server.resident() / 1e6)


async def _many_models(bench: Bench, rounds: Rounds) -> None:
    """Measure the list of a store of its own, with the built-in model under many names."""
    with puna(bench.home / "many", **bench.engine) as server:
        async with client(server.url) as asker:
            for number in range(len((await asker.get("/api/tags"))["models"]), _MODELS):
                await asker.copy_model(CRIA, f"copy-{number}")
        for _ in bench.rounds(_ROUNDS):
            rounds.add(MANY, "puna", "requests/s", await asyncio.to_thread(_requests, server.url, "/api/tags"))


async def _tokens(server: PunaServer, asker: Client, number: int, rounds: Rounds) -> None:
    """Measure the processor time of the server's own process for each token of one fast stream."""
    for path in DIALECTS:
        before = server.processor_seconds()
        seconds = await asker.drain(path, {"model": CRIA, "stream": True, **_asking(path, text(8, (number, path)))})
        spent = server.processor_seconds() - before
        rounds.add(f"processor time per token, {path}", "puna", "µs", spent / _TOKENS * 1e6, model=CRIA)
        rounds.add(f"tokens per second, {path}", "puna", "tokens/s", _TOKENS / seconds, model=CRIA)


def _asking(path: str, prompt: str) -> dict[str, Any]:
    """Return what a dialect's body says of the prompt and of the length of the answer."""
    options = {"num_predict": _TOKENS, "ignore_eos": True}
    if path in _PROMPTED:
        return {_PROMPTED[path]: prompt, "options": options}
    return {"messages": [{"role": "user", "content": prompt}], "max_tokens": _TOKENS, "options": options}


async def _memory(server: PunaServer, asker: Client, model: str, rounds: Rounds) -> None:
    """Measure the memory of a runner that has just answered, and of the server beside it."""
    await asker.generate(model, text(16, "memory"), 8)
    held = [process.memory_info() for process in server.runners()]
    private = sum(info.rss - getattr(info, "shared", 0) for info in held)  # mapped files stay in the page cache
    rounds.add("memory of the runner", "puna", "MB", sum(info.rss for info in held) / 1e6, model=model)
    rounds.add("memory of the runner that is its own", "puna", "MB", private / 1e6, model=model)
    rounds.add("memory of the server", "puna", "MB", server.resident() / 1e6, model=model)
    await asker.unload(model)


def _requests(url: str, path: str) -> float:
    """Return how many requests per second a server answers over a few kept connections."""
    counts = [0] * _CONNECTIONS
    until = time.perf_counter() + _SECONDS

    def ask(number: int) -> None:
        counts[number] = _ask_until(url, path, until)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / _SECONDS


def _ask_until(url: str, path: str, until: float) -> int:
    parts = urlsplit(url)
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    count = 0
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        while time.perf_counter() < until:
            connection.sendall(request)
            _receive(connection)
            count += 1
    return count


def _receive(connection: socket.socket) -> None:
    """Read one answer; raise ``RuntimeError`` if it is not one of a known length."""
    data = b""
    while _HEAD_END not in data:
        data += _some(connection)
    head, _, body = data.partition(_HEAD_END)
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if not head.startswith(b"HTTP/1.1 200") or b"content-length" not in fields:
        raise RuntimeError(f"an answer cannot be read: {head!r}")
    missing = int(fields[b"content-length"]) - len(body)
    while missing > 0:
        missing -= len(_some(connection))


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise RuntimeError("the server closed a kept connection")
    return data
