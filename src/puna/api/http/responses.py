"""Responses: JSON in one piece, NDJSON as it comes, and what becomes of a client that goes away."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from puna.api.dialect import error_piece
from puna.api.http.direct import DIRECT
from puna.errors import PunaError
from puna.outside import on_one_line

_CLIENT_CLOSED_REQUEST = 499
SILENCE = 10.0
"""Seconds after which a client that waits for a stream is told that its request is worked on."""
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z
"""A ``datetime`` becomes what Ollama writes, RFC 3339 with "Z" for UTC. ``isoformat`` takes several times as long."""
_LINE = _OPTIONS | orjson.OPT_APPEND_NEWLINE
_MANY_NUMBERS = 1 << 16
"""Numbers that take two milliseconds to write."""
_AT_ONCE = {"X-Accel-Buffering": "no"}
"""No proxy may keep the pieces of a stream back; this is what nginx reads."""
T = TypeVar("T")


class ClientGoneError(PunaError):
    """The client closed its connection before it was answered; nobody reads this status."""

    status = _CLIENT_CLOSED_REQUEST

    def __init__(self) -> None:
        super().__init__("request canceled")


def json_bytes(body: Any) -> bytes:
    """Return ``body`` as JSON."""
    return orjson.dumps(body, option=_OPTIONS)


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``body`` as JSON, in the media type that Ollama answers with."""
    return Response(json_bytes(body), status, dict(headers or {}), "application/json; charset=utf-8")


async def many_json_response(
    count: int, make: Callable[[], Mapping[str, Any]], headers: Mapping[str, str] | None = None
) -> Response:
    """Return what ``make`` returns as JSON, made beside the event loop where it has a large ``count`` of numbers.

    One call that writes them all would let nobody else go on meanwhile, so ``make`` puts them in ``pieces``.
    """
    if count < _MANY_NUMBERS:
        return json_response(make(), headers=headers)
    return await asyncio.to_thread(lambda: json_response(make(), headers=headers))


def pieces(items: Iterable[Any]) -> list[orjson.Fragment]:
    """Return things as JSON, each encoded by itself."""
    return [orjson.Fragment(json_bytes(item)) for item in items]


def raw_json_response(content: bytes) -> Response:
    """Return JSON that is encoded already."""
    return Response(content, media_type="application/json; charset=utf-8")


class Stream(Protocol):
    """What a stream of pieces is made with."""

    media_type: str

    def pieces(self, batch: Any) -> bytes:
        """Return the pieces for one batch of what happened; none for what a dialect does not tell."""
        ...

    def still(self) -> bytes:
        """Return what tells a client that waits that its request is worked on; b"" where a dialect has no word."""
        ...

    def failed(self, scope: Scope, error: Exception) -> bytes:
        """Return what ends a stream that an error breaks off."""
        ...


class Streamed(StreamingResponse):
    """A stream that ends when the client goes away.

    Starlette's own way leaves all that the stream was made of, the whole request among it, for a look for garbage where
    the client does, and loads modules for it.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with contextlib.suppress(ClientGoneError):
            await until_gone(Request(scope, receive), self.stream_response(send))


class _DirectResponse(Streamed):
    """A stream of which only the start goes through the middleware.

    After each ``SILENCE`` seconds in which nothing was sent, ``still`` is asked for what to send.
    """

    def __init__(
        self,
        request: Request,
        content: AsyncIterator[bytes],
        media_type: str,
        still: Callable[[], bytes],
        headers: Mapping[str, str] | None,
    ) -> None:
        super().__init__(content, headers={**_AT_ONCE, **(headers or {})}, media_type=media_type)
        self._direct: Send = request.scope[DIRECT]
        self._still = still
        self._spoke = False

    async def stream_response(self, send: Send) -> None:
        """Send the start and each piece as it comes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        waiting = asyncio.create_task(self._break_silence()) if self._still() else None
        try:
            async for piece in self.body_iterator:
                if piece:
                    self._spoke = True
                    await self._direct({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            if waiting:
                waiting.cancel()
        await self._direct({"type": "http.response.body", "body": b"", "more_body": False})

    async def _break_silence(self) -> None:
        while True:
            self._spoke = False
            await asyncio.sleep(SILENCE)
            if not self._spoke:
                await self._direct({"type": "http.response.body", "body": self._still(), "more_body": True})


def stream_response(
    request: Request,
    first: Awaitable[Sequence[Any]],
    rest: AsyncGenerator[Any, None],
    stream: Stream,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a stream of what ``stream`` makes of batches: those of ``first``, for which may have to be waited still,
    then those of ``rest``, which is closed at the end. An error on the way becomes the last piece.
    """
    return _DirectResponse(request, _encoded(request, first, rest, stream), stream.media_type, stream.still, headers)


async def _encoded(
    request: Request, first: Awaitable[Sequence[Any]], rest: AsyncGenerator[Any, None], stream: Stream
) -> AsyncIterator[bytes]:
    try:
        yield b"".join([stream.pieces(batch) for batch in await first])
        async for batch in rest:
            yield stream.pieces(batch)
    except Exception as error:  # noqa: BLE001 - the response has begun: any error must reach the client as a piece
        yield stream.failed(request.scope, error)
    finally:
        await rest.aclose()


class _Lines:
    """One JSON object per line."""

    media_type = "application/x-ndjson"

    def __init__(self, objects: Callable[[Any], Sequence[Mapping[str, Any]]]) -> None:
        self._objects = objects

    def pieces(self, batch: Any) -> bytes:
        return json_lines(self._objects(batch))

    def still(self) -> bytes:
        return b""

    def failed(self, scope: Scope, error: Exception) -> bytes:
        return error_piece(scope, error)


def ndjson_response(
    request: Request,
    first: Sequence[T],
    rest: AsyncGenerator[T, None],
    objects: Callable[[T], Sequence[Mapping[str, Any]]],
) -> Response:
    """Return a stream of one JSON object per line, those of one batch sent together.

    ``first`` are batches that were waited for already; ``objects`` makes the objects of one. An error on the way
    becomes the last line.
    """

    async def begun() -> Sequence[T]:
        return first

    return stream_response(request, begun(), rest, _Lines(objects))


def json_lines(objects: Sequence[Mapping[str, Any]]) -> bytes:
    """Return objects as JSON, each on a line."""
    lines = b""
    for item in objects:  # nearly always one: a comprehension would cost more than the copies
        lines += orjson.dumps(item, option=_LINE)
    return on_one_line(lines)


async def until_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; cancel it and raise ``ClientGoneError`` when the client goes away first."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        return task.result()
    finally:
        watch.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
