"""Streams of lines: how they are written, their errors, and which of their messages the middleware sees."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna.api.http import responses
from puna.api.http.direct import Direct
from puna.api.http.responses import many_json_response, ndjson_response, pieces
from puna.errors import PunaError

Batch = list[dict[str, Any]]


class Watcher:
    """Middleware that notes the messages that go through it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            self.seen.append(message["type"])
            await send(message)

        await self._app(scope, receive, watched)


def sent(first: list[Batch], rest: AsyncGenerator[Batch, None]) -> tuple[list[Message], list[str]]:
    """Return the messages of a stream as the server gets them, and what middleware saw of them."""
    messages: list[Message] = []

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await ndjson_response(Request(scope), first, rest, lambda batch: batch)(scope, receive, send)

    async def never() -> Message:
        return await asyncio.Future()

    async def send(message: Message) -> None:
        messages.append(message)

    watcher = Watcher(stream)
    asyncio.run(Direct(watcher)({"type": "http", "method": "POST", "path": "/api/chat", "headers": []}, never, send))
    return messages, watcher.seen


def bodies(messages: list[Message]) -> list[bytes]:
    return [message["body"] for message in messages if message["type"] == "http.response.body"]


async def batches(*items: Batch, error: Exception | None = None) -> AsyncGenerator[Batch, None]:
    for batch in items:
        yield batch
    if error:
        raise error


def test_batch_is_sent_at_once() -> None:
    messages, _ = sent([[{"a": 1}]], batches([{"a": 2}, {"a": 3}], [{"a": 4}]))
    assert bodies(messages) == [b'{"a":1}\n', b'{"a":2}\n{"a":3}\n', b'{"a":4}\n', b""]
    assert [message["more_body"] for message in messages[1:]] == [True, True, True, False]


def test_error_is_the_last_line() -> None:
    messages, _ = sent([], batches([{"a": 1}], error=PunaError("it broke")))
    assert bodies(messages) == [b'{"a":1}\n', b'{"error":"it broke"}\n', b""]


def test_middleware_sees_the_start_only() -> None:
    messages, seen = sent([[{"a": 1}]], batches([{"a": 2}]))
    assert seen == ["http.response.start"]
    assert messages[0]["type"] == "http.response.start"


def test_time_is_written_as_ollama_does() -> None:
    moments = [datetime(2026, 1, 2, 3, 4, 5, 120, UTC), datetime(2026, 1, 2, 3, 4, 5, 0, UTC)]
    messages, _ = sent([[{"at": moments}]], batches())
    assert bodies(messages)[0] == b'{"at":["2026-01-02T03:04:05.000120Z","2026-01-02T03:04:05Z"]}\n'


@pytest.mark.parametrize(("rows", "beside"), [(2, False), (1000, True)])
async def test_many_numbers_are_written_beside_the_event_loop_row_by_row(
    monkeypatch: pytest.MonkeyPatch, rows: int, beside: bool
) -> None:
    vectors = np.arange(rows * 100, dtype=np.float32).reshape(rows, 100)
    longest, threads = 0, set()

    def written(item: Any) -> bytes:
        nonlocal longest
        longest = max(longest, getattr(item, "size", 0))
        threads.add(threading.current_thread())
        return encode(item)

    encode = responses.json_bytes
    monkeypatch.setattr(responses, "json_bytes", written)
    answer = await many_json_response(vectors.size, lambda: {"model": "m", "embeddings": pieces(vectors)}, {"x-a": "b"})
    assert orjson.loads(answer.body) == {"model": "m", "embeddings": vectors.tolist()}
    assert answer.headers["x-a"] == "b"
    assert longest == 100
    assert (threads == {threading.main_thread()}) != beside
