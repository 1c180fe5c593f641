"""The middleware that takes note of what is asked, and cuts answers off."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna.api.dialect import dialect_of
from puna.api.testing.stage import CURRENT, Asked, Stage

CONTROL = "/api/puna/testing"


_LARGEST = 16 << 20
"""Bytes of a body that are kept, and the piece beyond them; a blob may have gigabytes."""


class _CutError(Exception):
    """The answer ends here."""


class Recorder:
    """ASGI middleware, the first to see a request, that records it in the lane of the port that it came to."""

    def __init__(self, app: ASGIApp, stage: Stage) -> None:
        self._app = app
        self._stage = stage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope.get("method", "WEBSOCKET")
        asked = self._stage.lane(scope["server"][1]).note(method, path, dialect_of(path).name)

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(asked.body) < _LARGEST:
                asked.body += message.get("body", b"")
            return message

        token = CURRENT.set(asked)
        try:
            await self._app(scope, heard, _Sending(asked, send))
        except _CutError:
            pass  # uvicorn closes the connection of an answer that is not complete
        finally:
            CURRENT.reset(token)


class _Sending:
    """Sends an answer up to where it is to be cut off, which is before its end in any case.

    So each piece waits for the next: of the last one, or of an answer in one piece, only half is sent.
    """

    def __init__(self, asked: Asked, send: Send) -> None:
        self._asked = asked
        self._send = send
        self._held: Message | None = None
        self._pieces = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._asked.status = message["status"]
        if self._asked.cut_after is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        if not message.get("more_body"):
            last = self._held or message
            body = last.get("body", b"")
            await self._send({**last, "body": body[: len(body) // 2], "more_body": True})
            raise _CutError
        if self._held:
            await self._send(self._held)
        if self._pieces >= self._asked.cut_after:
            raise _CutError
        self._held = message
        self._pieces += 1
