"""Every response says which request it answers: ``X-Request-Id``, the caller's own if it sent one."""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "puna.request_id"
"""The entry of a request's scope that holds its id."""
HEADER = "x-request-id"
"""The field of a request and of its response that has the id."""
_USABLE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class RequestIds:
    """ASGI middleware that names each request and puts the name on its response.

    An id from outside is kept if it is short and plain, so that a caller can cancel a request that still waits.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _USABLE.fullmatch(given) else secrets.token_hex(8)
        scope[REQUEST_ID] = request_id

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, named)
