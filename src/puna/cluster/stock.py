"""A node's store for the other nodes: what every Puna serves under ``/v2/``, on a port and behind a key of its own.

Beside it lies what nodes ask each other of saved conversations (``moving``).
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from yarl import URL

from puna.api.access.gate import UnauthorizedError
from puna.api.access.identity import IDENTITY, Identity
from puna.api.access.keys import BASIC, BasicAuth
from puna.api.http.faults import Faults
from puna.api.registry import pieces, routes
from puna.cluster.moving import session_routes
from puna.config.values import Credentials
from puna.models.library import Library
from puna.models.listing import Listing
from puna.models.registry.transfers import Transfers
from puna.names import ModelName
from puna.scheduler.sessions import SessionStore

_USER = "node"
_FINISH_SECONDS = 1


@dataclass(frozen=True, slots=True)
class _Shared:
    """What routes under ``/v2/`` ask of a server's parts: all models may be known of."""

    library: Library
    transfers: Transfers

    def seen_by(self, _identity: Identity, _watchers: object) -> "_Shared":
        return self

    def sees(self, _name: ModelName) -> bool:
        return True

    def models(self) -> Listing:
        return self.library.list()


class Stock:
    """Serves the models and saved conversations of a node.

    ``address`` has the key in it, which only members of the cluster are told.
    """

    def __init__(self, library: Library, transfers: Transfers, sessions: SessionStore) -> None:
        app = FastAPI(openapi_url=None)
        app.state.services = _Shared(library, transfers)
        app.include_router(pieces.router)
        app.include_router(routes.router)
        app.include_router(session_routes(sessions))
        self._key = Credentials(_USER, secrets.token_hex(24))
        self._sent = _Sent()
        app.add_middleware(_Door, login=BasicAuth(self._key), sent=self._sent)
        app.add_middleware(Faults)
        self._app = app
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.address = ""

    @property
    def sent(self) -> int:
        """Return how many bytes of models others have been given."""
        return self._sent.size

    async def begin(self, host: str) -> None:
        """Listen on a free port of ``host``; raise ``OSError``."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, 0), family=family)
        port = listener.getsockname()[1]
        self.address = str(
            URL.build(scheme="http", host=host, port=port, user=self._key.user, password=self._key.password)
        )
        self._server = _Server(
            uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                log_level="warning",
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=_FINISH_SECONDS,
            )
        )
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def close(self) -> None:
        """Listen no more."""
        if self._server and self._serving:
            self._server.should_exit = True
            await self._serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process that this is a part of."""
        yield


@dataclass(slots=True)
class _Sent:
    size: int = 0


class _Door:
    """ASGI middleware that lets in who presents the key, and counts the bytes of models that go out."""

    def __init__(self, app: ASGIApp, login: BasicAuth, sent: _Sent) -> None:
        self._app = app
        self._login = login
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._login.is_presented(Headers(scope=scope)):
            raise UnauthorizedError(BASIC)
        scope[IDENTITY] = Identity(scope["client"][0], remote=True, login=True)
        is_blob = "/blobs/" in scope["path"]

        async def counted(message: Message) -> None:
            if is_blob and message["type"] == "http.response.body":
                self._sent.size += len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, counted)
