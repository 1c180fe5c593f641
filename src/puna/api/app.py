"""The application: its parts, its routes, and their beginning and end."""

import asyncio
import contextlib
import functools
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount

from puna import OLLAMA_VERSION, __version__
from puna.accounts.accounts import Accounts
from puna.accounts.grant import ANY
from puna.api.access.gate import Gate
from puna.api.access.origins import Cors
from puna.api.access.scopes import ScopeTable, needs
from puna.api.anthropic.models import AnthropicModels
from puna.api.batch_items import ItemRoutes
from puna.api.dialect import ANTHROPIC_VERSION, error_response
from puna.api.http.crowd import Crowd
from puna.api.http.direct import Direct
from puna.api.http.faults import Faults
from puna.api.http.request_id import RequestIds
from puna.api.http.responses import json_response
from puna.api.inside import Inside
from puna.api.model_shapes import SHAPES
from puna.api.preload import preload
from puna.api.routes import Loading, Routes
from puna.api.seal import Seal
from puna.api.services import Services
from puna.api.web.page import FILES_PATH, PageFiles, is_page, root_route
from puna.cipher import Cipher
from puna.engine.load_check import check_load
from puna.engine.place import remove_abandoned, remove_abandoned_later
from puna.errors import BadRequestError, NotFoundError
from puna.jobs.archive import Archive, Bounds
from puna.jobs.batches import Batches
from puna.jobs.batches_files import BatchBounds
from puna.jobs.batches_journal import Journal
from puna.jobs.recordings import Recordings
from puna.jobs.runs import Runs
from puna.models.library import Library
from puna.models.registry.transfers import Transfers
from puna.scheduler.lender import Lender
from puna.service import Service
from puna.service.local import SUBSCRIBERS, LocalService
from puna.settings import Settings
from puna.telemetry.recent import Recent
from puna.telemetry.record import Subscriber

if TYPE_CHECKING:
    from puna.api.watching.traces import Tracing

ServiceFactory = Callable[[Settings, Sequence[Subscriber]], Service]
"""Makes what answers requests; the subscribers are to be told of each that is over."""
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_DOCS, _DOCS_ASSETS = "/docs", "/docs/assets"
_PAGES = dict.fromkeys(("/openapi.json", _DOCS, _DOCS_ASSETS, f"{_DOCS}/oauth2-redirect", FILES_PATH), ANY)
"""The scopes of the routes that FastAPI makes, and of files."""
_log = logging.getLogger(__name__)


def create_app(
    settings: Settings, *, crowded: Callable[[], bool] = lambda: False, service: ServiceFactory | None = None
) -> FastAPI:
    """Return the application for one server with these settings; while ``crowded``, it turns requests away.

    ``service`` makes what answers requests when the server begins; without it, this process does.
    """
    app = FastAPIOffline(  # like FastAPI, but nothing of its page comes from other servers
        redoc_url=None,
        static_url=_DOCS_ASSETS,
        title="Puna",
        version=__version__,
        description="Large language models on this machine, behind the Ollama REST API.",
        lifespan=_lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # Puna's own tells of models too
    )
    app.state.settings = settings
    app.state.make_service = service or _local
    accounts = app.state.accounts = Accounts(settings.home)
    scopes = app.state.scopes = ScopeTable(app.routes, _PAGES)
    for path, route in (("/", root_route), ("/api/version", _version)):
        app.add_api_route(path, route, methods=["GET"], tags=["server"])
        app.add_api_route(path, route, methods=["HEAD"], include_in_schema=False)  # an operation has one method
    routes = app.state.routes = Routes(app)
    app.state.inside = Inside(app)
    SHAPES[ANTHROPIC_VERSION] = AnthropicModels()
    if settings.share:
        from puna.api.registry import pieces  # no other server has any of it
        from puna.api.registry import routes as registry_routes

        app.include_router(pieces.router)
        app.include_router(registry_routes.router)
    app.mount(FILES_PATH, PageFiles())
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misread)
    app.openapi = functools.cache(functools.partial(_describe, app))  # type: ignore[method-assign]
    # The last one added is the first to see a request.
    if settings.record:
        from puna.api.watching.recorder import Recorder  # few record

        app.add_middleware(Recorder, scopes=scopes)
    app.add_middleware(Gate, settings=settings, accounts=accounts, scopes=scopes, is_open=is_page)
    app.add_middleware(Loading, routes=routes)
    app.add_middleware(Crowd, crowded=crowded)
    app.add_middleware(Faults)
    if settings.traces:
        app.state.tracing = _traced(app)
    app.add_middleware(Cors, settings=settings)
    app.add_middleware(RequestIds)
    app.add_middleware(Direct)
    if settings.testing:
        from puna.api.testing.routes import open_stage  # no other server has any of it

        open_stage(app, settings.testing)
    return app


def _local(settings: Settings, subscribers: Sequence[Subscriber]) -> Service:
    return LocalService(Lender(settings, Path(tempfile.gettempdir())), subscribers)


def _traced(app: FastAPI) -> "Tracing":
    """Let spans be made of requests, and return what must be closed at the end."""
    from puna.api.watching.traces import Traced, Tracing  # the library is an extra, and no other server loads it

    tracing = Tracing()
    app.add_middleware(Traced, tracing=tracing)
    return tracing


def _describe(app: FastAPI) -> dict[str, Any]:
    from puna.api.description import describe  # an example for everything, which few want

    app.state.routes.load()
    return describe(app)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as parts:
        app.state.services = services = await _begun(app, parts)
        services.batches.start()
        parts.push_async_callback(services.batches.close)
        for work in (
            services.archive.keep_bounded(),
            services.recordings.keep_bounded(),
            remove_abandoned_later(Path(tempfile.gettempdir())),
            preload(services),
        ):
            parts.callback(asyncio.create_task(work).cancel)
        try:
            yield
        except asyncio.CancelledError:  # told twice to end: whoever is waited for here is being cancelled too
            with contextlib.suppress(asyncio.CancelledError):
                await parts.aclose()


async def _begun(app: FastAPI, parts: contextlib.AsyncExitStack) -> Services:
    """Return the parts of a server, which are closed with ``parts``, each though another fails to."""
    settings: Settings = app.state.settings
    if settings.traces:
        parts.push_async_callback(asyncio.to_thread, app.state.tracing.close)
    accounts: Accounts = app.state.accounts
    parts.push_async_callback(accounts.close)
    recordings = Recordings(settings)
    parts.push_async_callback(recordings.close)
    recent = Recent()
    make: ServiceFactory = app.state.make_service
    service = make(settings, accounts.subscribers((*SUBSCRIBERS, recent)))
    parts.push_async_callback(service.close)
    library = _library(settings, service)
    transfers = Transfers(settings, library, load_check=check_load)
    parts.push_async_callback(transfers.close)
    _clean(library, transfers)
    await service.begin(library)
    accounts.ledger.start()
    if accounts.is_guarded:  # read now, for it takes room on the disk, which may be full later
        _log.info("clients are let in by keys: %s", accounts.path)
    cipher = Cipher(settings.home / "cipher.key")
    archive = Archive(settings.home / "responses.db", Bounds(settings.responses, settings.responses_age), cipher)
    parts.push_async_callback(archive.close)
    runs = Runs(archive)
    parts.push_async_callback(runs.close)
    journal = Journal(settings.home, BatchBounds(settings.batches, settings.batches_age))
    parts.push_async_callback(journal.close)
    if settings.record:
        await recordings.begin()
    return Services(
        settings,
        library,
        service,
        transfers,
        Seal(settings.home),
        archive,
        runs,
        cipher,
        accounts,
        journal,
        Batches(journal, ItemRoutes(app.state.inside, accounts), settings.batch_parallel, settings.batch_hours),
        recordings,
        recent,
    )


def _library(settings: Settings, service: Service) -> Library:
    loop = asyncio.get_running_loop()
    return Library(
        settings.models,
        hide_builtin=settings.hide_builtin,
        go_template=settings.go_template,
        overrides=lambda name: settings.sections.of(name).options,
        elsewhere=service.elsewhere,
        on_gone=lambda digest: loop.call_soon_threadsafe(service.forget, digest),
    )


def _clean(library: Library, transfers: Transfers) -> None:
    """Remove what servers that were killed have left."""
    if leftovers := library.clean() + transfers.clean():
        _log.info("removed %d unfinished files of an earlier process", leftovers)
    if abandoned := remove_abandoned(Path(tempfile.gettempdir())):
        _log.info("removed the sockets of %d runners of a server that was killed", abandoned)


async def _refused(request: Request, error: Exception) -> Response:
    """Answer what no route takes: 404, or 405 with all methods that the path has (RFC 9110, 15.5.6).

    The route that is missing is named: clients call many that others offer, and would take it for the model.
    """
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        error = NotFoundError(f"not found: there is no {request.method} {request.url.path} here")
    response = error_response(request.scope, error)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


async def _misread(request: Request, error: Exception) -> Response:
    """Answer a query of which a part is not of its type."""
    found = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": ("",), "msg": ""}
    name = str(found["loc"][-1])
    return error_response(request.scope, BadRequestError(f"{name}: {str(found['msg']).lower()}", param=name))


def _methods(request: Request) -> list[str]:
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ] or ["GET", "HEAD"]  # of files


@needs(ANY)
async def _version() -> Response:
    """Return the version of Ollama's API that this server speaks, and Puna's own."""
    return json_response({"version": OLLAMA_VERSION, "puna": __version__})
