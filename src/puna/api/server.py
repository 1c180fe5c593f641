"""The server process: the application on uvicorn, with a beginning that tells and an end that hurries."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from puna import garbage
from puna.api.app import create_app
from puna.api.http.connections import Connections
from puna.api.http.protocol import Protocol
from puna.api.services import Services
from puna.api.tls import TLS
from puna.settings import Settings

_FINISH_SECONDS = 1.5
"""How long answers under way may still take when the server is told to end."""
_SHUTDOWN_SECONDS = 5
_IDLE_SECONDS = 120
"""How long an idle connection is kept: longer than clients and proxies keep theirs, so that they close it first. A
request that they send at the moment in which the server closes it would be lost without a word."""
_TICKS = 10


class Server(uvicorn.Server):
    """Tells when it listens, and ends the answers under way when it is told to end."""

    def __init__(
        self, settings: Settings, connections: int, on_listening: Callable[[], None], tls: TLS | None = None
    ) -> None:
        """With more than ``connections`` at a time, clients are turned away.

        ``on_listening`` is called in a thread of its own: it may take its time.
        """
        state = Connections(connections)
        self._app = create_app(settings, crowded=lambda: state.crowded)
        self._on_listening = on_listening
        self._patience = settings.client_timeout
        self._tls = tls
        super().__init__(
            uvicorn.Config(
                self._app,
                http=Protocol,
                ws="none",  # the protocol loads it with the first socket
                ws_max_size=settings.max_body,
                proxy_headers=False,  # the gate knows whom to believe
                server_header=False,
                log_config=None,
                access_log=settings.debug,
                log_level="warning",
                lifespan="on",
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
                timeout_keep_alive=_IDLE_SECONDS,
            )
        )
        self.server_state = self._connections = state

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections once a second; uvicorn calls this ten times as often."""
        if counter % _TICKS == 0:
            if self._tls:
                self._tls.refresh()
            self._connections.check(asyncio.get_running_loop().time(), self._patience)
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        if self._tls:
            self.config.ssl = self._tls.context
        await super().startup(sockets)
        if not self.started:
            return
        if stage := getattr(self._app.state, "stage", None):
            stage.listen = self.listen
        garbage.settle()
        await asyncio.to_thread(self._on_listening)

    async def listen(self) -> int:
        """Listen on another free port of this machine's own, and return it."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=self.config.backlog)

        def connection() -> asyncio.Protocol:
            return Protocol(config=self.config, server_state=self._connections, app_state=self.lifespan.state)

        self.servers.append(await asyncio.get_running_loop().create_server(connection, sock=listener))
        port: int = listener.getsockname()[1]
        return port

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, with a moment for answers under way."""
        services: Services = self._app.state.services
        draining = asyncio.create_task(services.service.drain(_FINISH_SECONDS))
        await super().shutdown(sockets)
        await draining
