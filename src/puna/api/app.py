"""The application: its parts, its routes, and their beginning and end."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from puna import __version__
from puna.api.access.security import BasicAuth, Guard, origin_pattern
from puna.api.errors import install_error_handlers
from puna.api.http.crowd import Crowd
from puna.api.http.direct import Direct
from puna.api.http.request_id import RequestIds
from puna.api.http.responses import json_response
from puna.api.ollama import create, embedding, generation, models
from puna.api.ollama import transfers as transfer_routes
from puna.api.puna import queue, sessions
from puna.api.services import Services
from puna.engine.load_check import check_load
from puna.engine.place import remove_abandoned
from puna.models.library import Library
from puna.models.registry.transfers import Transfers
from puna.scheduler.lender import Lender
from puna.settings import Settings

OLLAMA_VERSION = "0.33.0"
"""The version of Ollama's API that this is; clients compare it with what they need."""

_log = logging.getLogger(__name__)


def create_app(settings: Settings, *, crowded: Callable[[], bool] = lambda: False) -> FastAPI:
    """Return the application for one server with these settings; while ``crowded``, it turns requests away."""
    app = FastAPIOffline(  # like FastAPI, but nothing of its page comes from other servers
        redoc_url=None,
        static_url="/docs/assets",
        title="Puna",
        version=__version__,
        description="Large language models on this machine, behind the Ollama REST API.",
        lifespan=_lifespan,
    )
    app.state.settings = settings
    for path, route in (("/", _root), ("/api/version", _version)):
        app.add_api_route(path, route, methods=["GET"], tags=["server"])
        app.add_api_route(path, route, methods=["HEAD"], include_in_schema=False)  # an operation has one method
    for part in (generation, embedding, models, create, transfer_routes, queue, sessions):
        app.include_router(part.router)
    install_error_handlers(app)
    # The last one added is the first to see a request. A preflight request carries no credentials.
    if settings.basic_auth:
        app.add_middleware(BasicAuth, credentials=settings.basic_auth)
    app.add_middleware(
        CORSMiddleware, allow_origin_regex=origin_pattern(settings), allow_methods=["*"], allow_headers=["*"]
    )
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Crowd, crowded=crowded)
    app.add_middleware(RequestIds)
    app.add_middleware(Direct)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    loop = asyncio.get_running_loop()
    temporary = Path(tempfile.gettempdir())
    scheduler = Lender(settings, temporary)
    library = Library(
        settings.models,
        hide_builtin=settings.hide_builtin,
        on_gone=lambda digest: loop.call_soon_threadsafe(scheduler.forget, digest),
    )
    transfers = Transfers(settings, library, load_check=check_load)
    if leftovers := library.clean() + transfers.clean():
        _log.info("removed %d unfinished files of an earlier process", leftovers)
    if abandoned := remove_abandoned(temporary):
        _log.info("removed the sockets of %d runners of a server that was killed", abandoned)
    scheduler.sessions.clean()
    for digest in library.gone(scheduler.sessions.digests()):  # of models that somebody else has deleted
        scheduler.sessions.forget(digest)
    app.state.services = Services(settings, library, scheduler, transfers)
    try:
        yield
    finally:
        await transfers.close()
        await scheduler.close()


async def _root() -> Response:
    """Say that the server runs, in the words that Ollama's clients look for."""
    return PlainTextResponse("Ollama is running")


async def _version() -> Response:
    """Return the version of Ollama's API that this server speaks, and Puna's own."""
    return json_response({"version": OLLAMA_VERSION, "puna": __version__})
