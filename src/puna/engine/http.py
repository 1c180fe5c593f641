"""HTTP/1.1 with a runner over its unix socket, with a connection for each request.

There is a piece of an answer for each token, so the way from the socket to who waits for it is short. To load a client
of more than that takes as long as to load a small model.
"""

import asyncio
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httptools

_MUCH = 1 << 20
"""Bytes that nobody has taken yet, with which no more are read."""
_CLOSED = "the connections were closed"


class Answer(asyncio.Protocol):
    """The answer to one request: its status, and its body as it comes."""

    def __init__(self) -> None:
        self.status = 0
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_complete = False
        self._fault = ""
        """Why nothing more comes of an answer that is not complete."""
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport

    async def begin(self, request: Sequence[bytes]) -> None:
        """Send the request and return when the status is known. Raises ``ConnectionError``."""
        self._transport.writelines(request)
        while not self.status:
            await self._more()

    async def some(self) -> bytes:
        """Return what has come of the body since the last time, b"" at its end. Raises ``ConnectionError``."""
        while not self._pieces:
            if self._is_complete:
                return b""
            await self._more()
        data = b"".join(self._pieces)
        self._pieces.clear()
        if self._size > _MUCH and not self._transport.is_closing():
            self._transport.resume_reading()
        self._size = 0
        return data

    async def read(self) -> bytes:
        """Return the rest of the body. Raises ``ConnectionError``."""
        pieces = []
        while piece := await self.some():
            pieces.append(piece)
        return b"".join(pieces)

    def break_off(self, why: str) -> None:
        """Make whoever reads, now or later, fail with ``why``; close the connection."""
        self._pieces.clear()
        self._is_complete = False
        self._end(why)
        self.close()

    def close(self) -> None:
        """Close the connection; what has not been sent or read yet is lost."""
        self._transport.abort()

    def _more(self) -> asyncio.Future[None]:
        """Return what is done once something more is known. Raises ``ConnectionError``."""
        if self._fault:
            raise ConnectionError(self._fault)
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, why: str) -> None:
        self._fault = self._fault or why
        self._wake()

    def connection_made(self, transport: Any) -> None:
        """Take the connection."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(f"its answer is not HTTP: {error}")
            self.close()
            return
        if self._size > _MUCH:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that nothing more comes."""
        del self._parser  # it holds this object in turn
        self._end(str(exc or "the connection was closed"))

    def on_headers_complete(self) -> None:
        """Take the status."""
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        """Take note that this is all."""
        self._is_complete = True


class Http:
    """What listens on a socket and lets in whoever has the key."""

    def __init__(self, socket: Path, key: str) -> None:
        self._socket = str(socket)
        self._fields = f"Host: runner\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
        self._answers: weakref.WeakSet[Answer] = weakref.WeakSet()
        self._is_closed = False

    async def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Return the answer to a request, with JSON for a body, once its status is known. Raises ``OSError``."""
        self._check_open()
        _, answer = await asyncio.get_running_loop().create_unix_connection(Answer, self._socket)
        try:
            self._check_open()
            self._answers.add(answer)
            await answer.begin(self._request(method, path, body))
        except BaseException:
            answer.close()
            raise
        return answer

    def close(self) -> None:
        """Close the connections; what is read from them fails, as do later requests."""
        self._is_closed = True
        for answer in self._answers:
            answer.break_off(_CLOSED)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ConnectionError(_CLOSED)

    def _request(self, method: str, path: str, body: bytes | None) -> Sequence[bytes]:
        head = f"{method} {path} HTTP/1.1\r\n{self._fields}"
        if body is None:
            return (f"{head}\r\n".encode(),)
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body
