"""One connection: uvicorn's HTTP/1.1, with bounds on what may come before a request is known, and in what time.

The sizes are those that nginx has by default: 8 KiB for the request line, 32 KiB for the whole head.
"""

import secrets
from http import HTTPStatus
from typing import Any

import httptools
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from puna.api.dialect import error_response
from puna.api.http.connections import Connections
from puna.api.http.head import HeadTooLargeError, RequestLineTooLongError, check_host
from puna.api.http.request_id import HEADER, REQUEST_ID
from puna.errors import BadRequestError, PunaError

_LONGEST_LINE = 8 << 10
_LARGEST_HEAD = 32 << 10
_LONGEST_REST = 1 << 20
_SOCKETS = {b"/v1/responses", b"/openai/v1/responses", b"/responses"}
"""The paths at which WebSockets are spoken."""
_UPGRADES = {b"upgrade", b"http2-settings"}
_LINGER_SECONDS = 30.0
_LINGER_SILENCE = 5.0
"""How long the rest of a request is read and thrown away after its answer, and how long nothing of it may come. A
connection that is closed with something unread is reset, and then the client may not see the answer."""


class RequestTimeoutError(PunaError):
    """The client began a request and did not go on with it."""

    status = HTTPStatus.REQUEST_TIMEOUT


class _Outlet:
    """The transport as an answer sees it: it closes once the client has had the time to read the answer.

    Of most answers the body comes in the same moment as the head. They go out together: for the client, one packet
    less wakes it, and for the server it is one call of the system less.
    """

    def __init__(self, protocol: "Protocol") -> None:
        self._transport = protocol.transport
        self._loop = protocol.loop
        self._close = protocol.close_gently
        self._head = b""
        self._is_begun = False
        self.is_closing = self._transport.is_closing

    def write(self, data: bytes) -> None:
        """Send data; the first only with what follows, or in a moment."""
        if self._is_begun:
            self._transport.write(data)
        elif self._head:
            self._begin(data)
        else:
            self._head = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Let the connection end."""
        self._flush()
        self._close()

    def _begin(self, data: bytes) -> None:
        head, self._head, self._is_begun = self._head, b"", True
        self._transport.writelines((head, data))

    def _flush(self) -> None:
        if self._head and not self.is_closing():
            self._begin(b"")


class Protocol(HttpToolsProtocol):
    """A connection that cannot hold a place, or memory, by sending too much, too little or too slowly."""

    server_state: Connections

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heard_at = self._began_at = 0.0
        self._in_head = True
        self._head_size = 0
        self._unaccounted = 0
        self._lingering = False
        self._is_held = False
        """Whether the head that was read asks for a protocol that is not spoken: it is read again without that."""
        self._handed_over = False
        """Whether another protocol has the connection: nothing more is heard of it here, not even its end."""

    @property
    def quiet_since(self) -> float:
        """Return when the client was last heard of, or answered, on the loop's clock."""
        return self._heard_at

    def connection_made(self, transport: Any) -> None:
        """Take a new connection, for which another may have to go."""
        super().connection_made(transport)
        self._heard_at = self._began_at = self.loop.time()
        self.server_state.welcome(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.server_state.forget(self)
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment]  # it holds this object in turn

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        self._heard_at = self.loop.time()
        if self._lingering:
            self._unaccounted += len(data)
            if self._in_head and self._unaccounted > _LONGEST_REST:  # nobody means such a head
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        self._unaccounted += len(data)
        try:
            self._feed(data)
            if self._unaccounted > _LARGEST_HEAD:  # of a head, of trailers, or of the extensions of a chunk
                raise HeadTooLargeError
        except httptools.HttpParserError as error:
            known = error.__context__ if isinstance(error.__context__, PunaError) else None
            self._refuse(known or BadRequestError("malformed HTTP request"))
        except HeadTooLargeError as error:
            self._refuse(error)
        if self.awaits_client and not self._handed_over:
            self.server_state.await_client(self)

    def _feed(self, data: bytes) -> None:
        """Give ``data`` to the parser, which stops after each head that asks for another protocol.

        Apart from WebSockets, where there are any, no other is spoken here: HTTP goes on. The parser would take the
        body of such a request (Java's client asks for HTTP/2 so) for the next one: it gets the head without that.
        """
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as stop:
                if self._should_upgrade():
                    self._handed_over = True
                    self.server_state.forget(self)
                    self.handle_websocket_upgrade()
                    return
                rest = rest[max(stop.args[0], 1) :]
                if self._is_held:
                    head = self._plain_head()
                    self.parser = httptools.HttpRequestParser(self)
                    self.parser.feed_data(head)
            else:
                return

    def _plain_head(self) -> bytes:
        """Return the head that was read, without what asks for another protocol."""
        fields = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name not in _UPGRADES]
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return line + b"".join(fields) + b"\r\n"

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_held = False
        self._in_head, self._head_size, self._began_at = True, 0, self._heard_at

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        super().on_url(url)
        if len(self.url) > _LONGEST_LINE:
            raise RequestLineTooLongError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; those of a trailer nobody reads."""
        if not self._in_head:
            return
        self._head_size += len(name) + len(value) + len(": \r\n")
        if self._head_size + len(self.url) > _LARGEST_HEAD:
            raise HeadTooLargeError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, and let the application begin."""
        check_host(self.headers, self.url, self.parser.get_http_version())
        method = self.parser.get_method()
        if self.parser.should_upgrade() and method != b"CONNECT" and not self._should_upgrade():
            self._is_held = True
            return
        super().on_headers_complete()
        self._in_head, self._unaccounted = False, 0
        if self._becomes_socket:
            return
        self.cycle.transport = _Outlet(self)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unaccounted = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note that the client has said all, so that it is the server's turn."""
        self._unaccounted = 0
        if self._is_held or self._becomes_socket:
            return
        self.cycle.more_body = False  # also if it was answered before its end
        super().on_message_complete()
        if self.awaits_client:
            self._await_request()
        else:
            self.server_state.forget(self)

    def on_response_complete(self) -> None:
        """Go on to what comes after an answer: the rest of the body, or the next request."""
        super().on_response_complete()
        if self.transport.is_closing():
            return
        self._heard_at = self._began_at = self.loop.time()
        self._unset_keepalive_if_required()
        if self.awaits_client:
            if not (self._lingering or self.cycle.more_body):
                self._await_request()
            self.server_state.await_client(self)

    def _await_request(self) -> None:
        self._in_head, self._began_at = True, self._heard_at
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    @property
    def _becomes_socket(self) -> bool:
        return bool(self.parser.should_upgrade() and self._should_upgrade())

    def _should_upgrade_to_ws(self) -> bool:
        """Return whether a request that asks for a WebSocket gets one."""
        if self.parser.get_method() != b"GET" or self.url.partition(b"?")[0] not in _SOCKETS:
            return False
        if self.ws_protocol_class is None:
            from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol  # few want one

            self.ws_protocol_class = WebSocketsSansIOProtocol
        return True

    def shutdown(self) -> None:
        """End the connection, or let it end with the answer that is under way."""
        if self._lingering:
            self.transport.close()
        else:
            super().shutdown()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.scope["http_version"] == "1.0":
            app = _unframed(app, cycle)
        super()._start_asgi_task(cycle, app)

    @property
    def awaits_client(self) -> bool:
        """Return whether it is the client's turn: nothing of what it asked for is under way."""
        cycle = self.cycle
        if self._lingering or cycle is None or cycle.response_complete:
            return True
        return cycle.more_body and not self.pipeline

    def check(self, now: float, patience: float) -> None:
        """End the connection of a client that has the turn and takes too long. ``patience`` is in seconds."""
        if self.transport.is_closing():
            self.server_state.forget(self)
            return
        if self.flow.read_paused:  # the server does not listen just now
            self._heard_at = now
        silent, begun = now - self._heard_at, now - self._began_at
        if self._lingering or (self.cycle is not None and self.cycle.response_complete and self.cycle.more_body):
            if silent > _LINGER_SILENCE or begun > _LINGER_SECONDS:
                self.transport.close()
        elif self.timeout_keep_alive_task is None and (begun if self._in_head else silent) > patience:
            part = "head" if self._in_head else "body"
            self._refuse(RequestTimeoutError(f"the {part} of the request did not arrive within {patience:g} seconds"))

    def close_gently(self) -> None:
        """Close the connection, but let a client that still sends see what it was answered."""
        if self.transport.is_closing() or self._lingering:
            return
        if not self._in_head and not self.cycle.more_body:
            self.transport.close()
            return
        self._lingering = True
        self._began_at = self._heard_at
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _refuse(self, error: PunaError) -> None:
        """Answer a request that does not get as far as the application, and end the connection."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            answering = cycle.response_started or not cycle.more_body
            cycle.disconnected = True
            cycle.message_event.set()
            if answering:  # nothing can be said in the middle of another answer
                self.transport.close()
                return
        self.transport.write(self._refusal(error))
        self.close_gently()

    def _refusal(self, error: PunaError) -> bytes:
        request_id = secrets.token_hex(8)
        path = getattr(self, "url", b"").partition(b"?")[0].decode("ascii", "replace")
        response = error_response({"type": "http", "path": path, REQUEST_ID: request_id}, error)
        fields = [*self.server_state.default_headers, *response.raw_headers]
        fields += [(HEADER.encode(), request_id.encode()), (b"connection", b"close")]
        phrase = HTTPStatus(response.status_code).phrase
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        return f"HTTP/1.1 {response.status_code} {phrase}\r\n".encode() + head + b"\r\n" + bytes(response.body)


def _unframed(app: ASGIApp, cycle: RequestResponseCycle) -> Any:
    """Return ``app`` for a client of HTTP/1.0, which knows no chunks: the end of the connection ends the body."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        unframed = False

        async def plain(message: Message) -> None:
            nonlocal unframed
            if message["type"] == "http.response.start":
                unframed = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
                cycle.chunked_encoding = False if unframed else None
            elif unframed:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, plain)

    return run
