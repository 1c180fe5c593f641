"""What stands between clients and ingresses, in the process that holds the clients' connections.

An ingress that dies takes the answers with it that it was giving. Their connections are held by Serve's proxy, which
passes on what it is told and breaks off. So an answer that had not begun is asked for again, of another ingress or of
the one that takes its place, and a stream that had begun ends with an error in the words of its dialect.
"""

import asyncio
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna.api.dialect import error_piece, error_response
from puna.api.http.request_id import HEADER
from puna.cluster import door
from puna.errors import UnavailableError

_TRIES = 3
_MOST_KEPT = 32 << 20
"""Bytes of a body that are kept to be sent again; what is longer is not asked for twice."""
_STREAMS = ("application/x-ndjson", "text/event-stream")
_PREFIXES = ("/openai", "/v1", "/v2", "/api")
_HARMLESS = frozenset(
    (
        *("/generate", "/chat", "/embed", "/embeddings", "/show", "/pull", "/apply-template", "/apply_template"),
        *("/tokenize", "/detokenize", "/rerank", "/decisions", "/systemone", "/moderations", "/audio/transcriptions"),
        *("/completions", "/chat/completions", "/responses", "/responses/input_tokens", "/responses/compact"),
        *("/messages", "/messages/count_tokens"),
    )
)
"""What may be asked twice though it is a POST: nothing of it stays on the server before it is answered."""


class IngressLostError(UnavailableError):
    """The process that answered a request has died."""

    def __init__(self) -> None:
        super().__init__("the process that answered the request was lost", 2)


def middlewares() -> list[Middleware]:
    """Return what Serve's proxy puts before itself; it finds this by its import path, before it listens."""
    door.install()
    return [Middleware(Front)]


class Front:
    """ASGI middleware of the proxy. ``app`` returns before an answer has come to its end if its ingress was lost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = _Asked(receive, keeps=_is_harmless(scope["method"], scope["path"]))
        for left in reversed(range(_TRIES)):
            answer = _Answer(send)
            await self._app(dict(scope, headers=list(scope["headers"])), asked.again(), answer)
            if answer.ended or asked.gone:
                return
            if answer.begun:
                if answer.is_stream:
                    piece = error_piece(scope, IngressLostError())
                    await send({"type": "http.response.body", "body": piece, "more_body": False})
                return  # else the connection breaks off, as its length has been told
            if not asked.kept or not left:
                break
        await error_response(scope, IngressLostError())(scope, receive, send)


def _is_harmless(method: str, path: str) -> bool:
    if method != "POST":
        return method in ("GET", "HEAD", "OPTIONS")
    for prefix in _PREFIXES:
        path = path.removeprefix(prefix)
    return path in _HARMLESS


class _Asked:
    """A request's messages, which are kept to be received again as long as they are not too many."""

    def __init__(self, receive: Receive, *, keeps: bool) -> None:
        self._receive = receive
        self._messages: list[Message] = []
        self._size = 0
        self._reading = asyncio.Lock()
        self._waiting: asyncio.Task[Message] | None = None
        self.kept = keeps
        self.gone = False
        """Whether the client has gone away."""

    def again(self) -> Receive:
        """Return what receives them from the first."""
        position = 0

        async def receive() -> Message:
            nonlocal position
            async with self._reading:
                if position < len(self._messages):
                    message = self._messages[position]
                else:
                    message = await self._next()
                position += 1
            return message

        return receive

    async def _next(self) -> Message:
        """Return the next message. One that nobody waits for any more is there for who asks next."""
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(self._receive())
        message = await asyncio.shield(self._waiting)
        self._waiting = None
        if message["type"] == "http.disconnect":
            self.gone = True
        self._size += len(message.get("body", b""))
        self.kept = self.kept and self._size <= _MOST_KEPT
        if self.kept:
            self._messages.append(message)
        else:
            self._messages = []
        return message


class _Answer:
    """An answer on its way out. Its start is held back until something of it comes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self.begun = self.ended = False
        self.is_stream = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = _pairs(message["headers"])
            self._start = {**message, "headers": _named_once(headers)}
            self.is_stream = Headers(raw=headers).get("content-type", "").startswith(_STREAMS)
            return
        more = message.get("more_body", False)
        if self._start is not None and (message.get("body") or not more):
            start, self._start = self._start, None
            self.begun = True
            await self._send(start)
        if self.begun:
            self.ended = not more
            await self._send(message)


def _named_once(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers without a second name of the request: Serve's proxy adds one behind the ingress's own."""
    names = [pair for pair in headers if pair[0].lower() == HEADER.encode()]
    return [pair for pair in headers if not any(pair is name for name in names[1:])]


def _pairs(headers: Iterable[Iterable[bytes]]) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in headers]
