"""The load: streamed requests as a client sees them, to a server with Ollama's API or to llama.cpp's own."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from puna.engine.client import EngineClient

_UPLOAD_BYTES = 1 << 20
_POLL_SECONDS = 0.01
_SECONDS = 600


class RefusedError(Exception):
    """A server did not answer with 200; ``retry_after`` is what it says of another try."""

    def __init__(self, status: int, text: str, retry_after: str) -> None:
        super().__init__(f"status {status}: {text[:200]}")
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    """One streamed answer: seconds from the request to its first and its last piece, and tokens.

    ``load`` is how many of the seconds the server says that it waited for its model, 0 if it does not say.
    """

    first: float
    seconds: float
    prompt_tokens: int
    tokens: int
    load: float = 0.0

    @property
    def prompt_rate(self) -> float:
        """Return the prompt's tokens per second up to the first piece."""
        return self.prompt_tokens / self.first

    @property
    def rate(self) -> float:
        """Return the tokens per second after the first piece."""
        return (self.tokens - 1) / (self.seconds - self.first)


class Client:
    """Asks one server; ``address`` is the local one to ask from."""

    def __init__(self, url: str, *, address: str = "") -> None:
        self.url = url
        self._session = aiohttp.ClientSession(
            # A connection of its own for each request: one that was kept may be closed by the server just then.
            connector=aiohttp.TCPConnector(limit=0, force_close=True, local_addr=(address, 0) if address else None),
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def get(self, path: str) -> Any:
        """Return the decoded answer to ``GET path``."""
        async with self._session.get(self.url + path) as response:
            await _check(response)
            return await response.json()

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the decoded answer to ``POST path``."""
        async with self._session.post(self.url + path, json=body) as response:
            await _check(response)
            return await response.json()

    async def stream(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Ask for a stream and return what came of it; raise ``RefusedError`` if it was not answered."""
        began = time.perf_counter()
        first = 0.0
        received = bytearray()
        async with self._session.post(self.url + path, json=body) as response:
            await _check(response)
            async for chunk in response.content.iter_any():
                first = first or time.perf_counter() - began
                received += chunk
        seconds = time.perf_counter() - began
        counts = _counts(_last_object(received))
        return Answer(first, seconds, *counts)

    async def generate(self, model: str, prompt: str, tokens: int, **more: Any) -> Answer:
        """Stream ``tokens`` tokens after ``prompt`` from a server with Ollama's API; ``more`` goes into the body."""
        options = {"num_predict": tokens, "ignore_eos": True} | more.pop("options", {})
        return await self.stream(
            "/api/generate", {"model": model, "prompt": prompt, "raw": True, "options": options, **more}
        )

    async def chat(self, model: str, messages: list[dict[str, str]], tokens: int, **more: Any) -> Answer:
        """Stream up to ``tokens`` tokens of the answer to a conversation."""
        options = {"num_predict": tokens, "ignore_eos": True} | more.pop("options", {})
        return await self.stream("/api/chat", {"model": model, "messages": messages, "options": options, **more})

    async def drain(self, path: str, body: Mapping[str, Any]) -> float:
        """Ask for a stream in any dialect and return the seconds that it took; raise ``RefusedError`` if refused."""
        began = time.perf_counter()
        async with self._session.post(self.url + path, json=body) as response:
            await _check(response)
            async for _ in response.content.iter_any():
                pass
        return time.perf_counter() - began

    async def complete(self, prompt: str, tokens: int) -> Answer:
        """Stream ``tokens`` tokens after ``prompt`` from llama.cpp's server."""
        return await self.stream("/completion", completion(prompt, tokens))

    async def unload(self, model: str) -> None:
        """Take a model out of memory, and return when it is out."""
        await self.post("/api/generate", {"model": model, "keep_alive": 0, "stream": False})
        while model in await self._names("/api/ps"):  # noqa: ASYNC110 - another process knows, and does not tell
            await asyncio.sleep(_POLL_SECONDS)

    async def _names(self, path: str) -> list[str]:
        return [entry["name"].removesuffix(":latest") for entry in (await self.get(path))["models"]]

    async def add_model(self, model: str, path: Path) -> bool:
        """Give the server a model made of one file; return whether it was new."""
        if model in await self._names("/api/tags"):
            return False
        digest = "sha256:" + _sha256(path)
        blob = f"{self.url}/api/blobs/{digest}"
        async with self._session.head(blob) as response:
            missing = response.status == 404
        if missing:
            async with self._session.post(blob, data=_pieces(path)) as response:
                await _check(response)
        await self.post("/api/create", {"model": model, "files": {path.name: digest}, "stream": False})
        return True

    async def copy_model(self, model: str, name: str) -> None:
        """Give a model a further name."""
        body = {"source": model, "destination": name}
        async with self._session.post(f"{self.url}/api/copy", json=body) as response:
            await _check(response)

    async def remove_model(self, model: str) -> None:
        """Remove a model from the server."""
        async with self._session.delete(f"{self.url}/api/delete", json={"model": model}) as response:
            await _check(response)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    """Yield a client that is closed at the end."""
    asker = Client(url)
    try:
        yield asker
    finally:
        await asker.close()


def completion(prompt: str, tokens: int) -> dict[str, Any]:
    """Return the request to llama.cpp's server for ``tokens`` tokens after ``prompt``, which it reads in any case."""
    return {"prompt": prompt, "n_predict": tokens, "ignore_eos": True, "stream": True, "cache_prompt": False}


async def complete(engine: EngineClient, prompt: str, tokens: int) -> Answer:
    """Stream ``tokens`` tokens after ``prompt`` from an engine on its unix socket."""
    began = time.perf_counter()
    first, last = 0.0, {}
    async for events in engine.stream("/completion", completion(prompt, tokens)):
        first = first or time.perf_counter() - began
        last = events[-1]
    return Answer(first, time.perf_counter() - began, *_counts(last))


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status not in (200, 201):
        raise RefusedError(response.status, await response.text(), response.headers.get("Retry-After", ""))


def _last_object(received: bytearray) -> dict[str, Any]:
    """Return the last JSON object of NDJSON or of server-sent events."""
    for line in reversed(bytes(received).split(b"\n")):
        text = line.removeprefix(b"data: ")
        if text.startswith(b"{"):
            found: dict[str, Any] = json.loads(text)
            if "error" in found:
                raise RuntimeError(f"the stream ended with an error: {found['error']}")
            return found
    raise RuntimeError("the stream holds no object")


def _counts(last: Mapping[str, Any]) -> tuple[int, int, float]:
    """Return the tokens of prompt and answer, and seconds of loading, as Ollama's API or llama.cpp's server says."""
    if "eval_count" in last:
        return int(last.get("prompt_eval_count", 0)), int(last["eval_count"]), last.get("load_duration", 0) / 1e9
    return int(last["tokens_evaluated"]), int(last["tokens_predicted"]), 0.0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_UPLOAD_BYTES):
            yield piece
