"""``/api/puna/testing``: how ``puna.testing`` directs the server that it has started."""

import asyncio
import hmac
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from puna.api.access.gate import ForbiddenError
from puna.api.http.body import json_body
from puna.api.http.responses import json_response
from puna.api.services import ServicesDep, caller_of
from puna.api.testing.recorder import CONTROL, Recorder
from puna.api.testing.schemas import DirectionBody
from puna.api.testing.service import DirectedServices
from puna.api.testing.stage import Lane, Stage, shown
from puna.errors import NotFoundError

TOKEN_HEADER = "x-puna-testing"
_GRACE_SECONDS = 1.0
"""How long a server stays that nobody uses any more: the next process may be about to."""
_FIRST_SECONDS = 60.0


def open_stage(app: FastAPI, token: str) -> None:
    """Put ``app`` under scripts, by callers with this token."""
    stage = app.state.stage = Stage(token)
    stage.on_idle = lambda: os.kill(os.getpid(), signal.SIGTERM)
    app.include_router(_router, include_in_schema=False)
    app.add_middleware(Recorder, stage=stage)

    parts = app.router.lifespan_context

    @asynccontextmanager
    async def directed(app: FastAPI) -> AsyncIterator[Any]:
        async with parts(app) as state:
            app.state.services = DirectedServices.of(app.state.services)
            asyncio.get_running_loop().call_later(_FIRST_SECONDS, _end_if_unused, stage)
            yield state

    app.router.lifespan_context = directed


async def _stage(request: Request) -> Stage:
    stage: Stage = request.app.state.stage
    if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), stage.token.encode()):
        raise ForbiddenError("this route is for puna.testing alone")
    return stage


async def _lane(request: Request, stage: Annotated[Stage, Depends(_stage)]) -> Lane:
    return stage.lane(request.scope["server"][1])


_router = APIRouter(prefix=CONTROL)
_LaneDep = Annotated[Lane, Depends(_lane)]
_StageDep = Annotated[Stage, Depends(_stage)]


@_router.get("")
async def state_route(lane: _LaneDep) -> Response:
    """Tell what was asked, and how far the script is."""
    return json_response(
        {
            "left": None if lane.script is None else len(lane.script),
            "faults": len(lane.faults),
            "errors": lane.errors,
            "requests": [shown(asked) for asked in lane.asked],
        }
    )


@_router.post("")
async def direct_route(body: Annotated[DirectionBody, Depends(json_body(DirectionBody))], lane: _LaneDep) -> Response:
    """Take a script, or faults."""
    lane.direct(body.script, body.faults)
    return json_response({})


@_router.delete("/script")
async def unscript_route(lane: _LaneDep) -> Response:
    """Let the model answer as it likes again."""
    lane.script, lane.errors = None, []
    return json_response({})


@_router.delete("")
async def reset_route(lane: _LaneDep) -> Response:
    """Forget everything about this port."""
    lane.reset()
    return json_response({})


@_router.get("/requests/{number}/prompt")
async def prompt_route(number: int, request: Request, lane: _LaneDep, services: ServicesDep) -> Response:
    """Render the prompt of a generation once more."""
    asked = next((asked for asked in lane.asked if asked.number == number and asked.request), None)
    if asked is None or asked.request is None:
        raise NotFoundError(f"request {number} asked for no generation, or is forgotten")
    rendered = await services.service.render(asked.request, caller_of(request), None)
    return json_response({"prompt": rendered.prompt})


@_router.post("/lanes")
async def lane_route(stage: _StageDep) -> Response:
    """Open a port with a lane of its own."""
    return json_response({"port": await stage.listen()})


@_router.get("/use")
async def use_route(request: Request, stage: _StageDep) -> Response:
    """Stay open as long as somebody uses the server; it ends when nobody does."""
    stage.users += 1

    async def held() -> AsyncIterator[bytes]:
        try:
            yield b"\n"
            while (await request.receive())["type"] != "http.disconnect":
                pass
        finally:
            stage.users -= 1
            asyncio.get_running_loop().call_later(_GRACE_SECONDS, _end_if_unused, stage)

    return StreamingResponse(held())


def _end_if_unused(stage: Stage) -> None:
    if not stage.users:
        stage.on_idle()
