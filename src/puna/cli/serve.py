"""``puna serve``."""

import asyncio
import logging
import os
import socket
import sys
import threading
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from puna import __version__
from puna.api.app import create_app
from puna.api.services import Services
from puna.cli.errors import CommandError
from puna.engine.engines import PORTABLE, Engines
from puna.engine.info import EngineInfoProcess
from puna.settings import SETTINGS, Address, Settings

_BACKLOG = 2048
_FINISH_SECONDS = 1.5
"""How long answers under way may still take when the server is told to end."""
_SHUTDOWN_SECONDS = 5

_OPEN_ADDRESS = """\
refusing to listen on {host} without credentials: everybody who reaches this address could use and delete your models.
Either set credentials:        OLLAMA_BASIC_AUTH=user:password
or say that it is to be open:  PUNA_ALLOW_OPEN=1"""

_SETTINGS_HELP = "Settings (environment variables):\n\n" + "\n\n".join(
    f"{entry.variable}  {entry.help}" + (f" [{entry.default}]" if entry.default else "") for entry in SETTINGS
)


def serve(
    exit_with_stdin: Annotated[
        bool, typer.Option("--exit-with-stdin", hidden=True, help="end when standard input ends")
    ] = False,
) -> None:
    """Start the server."""
    settings = Settings.from_env()
    address = settings.address
    if not (address.is_loopback or settings.basic_auth or settings.allow_open):
        raise CommandError(_OPEN_ADDRESS.format(host=address.host))
    logging.basicConfig(
        level=logging.DEBUG if settings.debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    listener = _listen(address)
    engines = Engines(settings.home, settings.engine)
    program = engines.program()
    look = EngineInfoProcess(
        engines.chosen() if program else PORTABLE, program
    )  # under way while the application is made
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=settings.debug,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    server = _Server(config, app, f"http://{_printable(listener)}", look)
    if exit_with_stdin:
        threading.Thread(target=_exit_with_stdin, args=(server,), daemon=True).start()
    server.run(sockets=[listener])
    if not server.started:
        raise CommandError("the server could not start; see the log above")


class _Server(uvicorn.Server):
    """Says where it listens as soon as it does, and ends the answers under way when it is told to end."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, url: str, look: EngineInfoProcess) -> None:
        super().__init__(config)
        self._app = app
        self._url = url
        self._look = look

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        typer.echo(f"Puna {__version__} listens on {self._url}, engine: {self._look.result()}")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        services: Services = self._app.state.services
        draining = asyncio.create_task(services.scheduler.drain(_FINISH_SECONDS))
        await super().shutdown(sockets)
        await draining


def _listen(address: Address) -> socket.socket:
    try:
        family, *_, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(f"cannot listen on {address.host}:{address.port}: {reason} (OLLAMA_HOST)") from error
    return listener


def _printable(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _exit_with_stdin(server: uvicorn.Server) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    server.should_exit = True


serve.__doc__ = f"{serve.__doc__}\n\n{_SETTINGS_HELP}"
