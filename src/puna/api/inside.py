"""Requests that the application's own routes answer without a connection: of batches, and repeated ones."""

import asyncio
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ExceptionHandler, Message, Scope

from puna.api.http.direct import DIRECT
from puna.api.http.faults import Faults
from puna.api.http.request_id import REQUEST_ID
from puna.api.routes import Loading, Routes

_JSON = (b"content-type", b"application/json")


class Reply(NamedTuple):
    """What a route has answered, a stream as one."""

    status: int
    body: bytes


class Inside:
    """The routes of ``app``, without the gate, which their caller has passed; made when first asked."""

    def __init__(self, app: FastAPI) -> None:
        self._of = app
        self._routes: FastAPI | None = None

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """Return the answer to a request, errors included."""
        status, parts, given = 0, bytearray(), [body]

        async def receive() -> Message:
            if given:
                return {"type": "http.request", "body": given.pop()}
            return await asyncio.Future()  # nobody goes away

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.extend(message.get("body", b""))

        scope[DIRECT] = send
        await self._ready()(scope, receive, send)
        return Reply(status, bytes(parts))

    def _ready(self) -> FastAPI:
        if self._routes is None:
            handlers: Mapping[Any, ExceptionHandler] = self._of.exception_handlers
            kept = {kind: handlers[kind] for kind in (HTTPException, RequestValidationError)}
            self._routes = FastAPI(openapi_url=None, exception_handlers=kept)  # type: ignore[arg-type]
            self._routes.state = self._of.state
            self._routes.add_middleware(Loading, routes=Routes(self._routes))
            self._routes.add_middleware(Faults)
            if tracing := getattr(self._of.state, "tracing", None):
                from puna.api.watching.traces import Traced  # it is loaded already

                self._routes.add_middleware(Traced, tracing=tracing)
        return self._routes


def inner_scope(
    path: str,
    request_id: str,
    *,
    method: str = "POST",
    query: str = "",
    headers: Iterable[tuple[bytes, bytes]] = (_JSON,),
) -> MutableMapping[str, Any]:
    """Return the scope of a request from nowhere; who asks (``IDENTITY``) is still to be put in."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": list(headers),
        "client": None,
        "server": None,
        REQUEST_ID: request_id,
    }
