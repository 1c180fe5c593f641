"""Responses: JSON in one piece, NDJSON as it comes, and what becomes of a client that goes away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from puna.api.dialect import error_piece
from puna.api.http.direct import DIRECT
from puna.errors import PunaError

_CLIENT_CLOSED_REQUEST = 499
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z
"""A ``datetime`` becomes what Ollama writes, RFC 3339 with "Z" for UTC. ``isoformat`` takes several times as long."""
_LINE = _OPTIONS | orjson.OPT_APPEND_NEWLINE
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


def raw_json_response(content: bytes) -> Response:
    """Return JSON that is encoded already."""
    return Response(content, media_type="application/json; charset=utf-8")


class _DirectResponse(StreamingResponse):
    """A stream of which only the start goes through the middleware."""

    def __init__(self, request: Request, content: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(content, media_type=media_type)
        self._direct: Send = request.scope[DIRECT]

    async def stream_response(self, send: Send) -> None:
        """Send the start and each piece as it comes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self.body_iterator:
            await self._direct({"type": "http.response.body", "body": piece, "more_body": True})
        await self._direct({"type": "http.response.body", "body": b"", "more_body": False})


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
    return _DirectResponse(request, _encode(request, first, rest, objects), "application/x-ndjson")


async def _encode(
    request: Request,
    first: Sequence[T],
    rest: AsyncGenerator[T, None],
    objects: Callable[[T], Sequence[Mapping[str, Any]]],
) -> AsyncIterator[bytes]:
    try:
        for batch in first:
            yield _lines(objects(batch))
        async for batch in rest:
            yield _lines(objects(batch))
    except Exception as error:  # noqa: BLE001 - the response has begun: any error must reach the client as a line
        yield error_piece(request.scope, error)
    finally:
        await rest.aclose()


def _lines(objects: Sequence[Mapping[str, Any]]) -> bytes:
    lines = b""
    for item in objects:  # nearly always one: a comprehension would cost more than the copies
        lines += orjson.dumps(item, option=_LINE)
    return lines


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
