"""``/health`` and ``/ready``: whether the server lives, and whether it can take a request now."""

import asyncio
import os

from fastapi import APIRouter
from starlette.responses import Response

from puna.accounts.grant import ANY
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.api.puna.answers import NOT_READY
from puna.api.services import Services, ServicesDep
from puna.api.shapes import JSON

router = APIRouter()
_UNAVAILABLE = 503


@router.get("/health", tags=["server"])
@router.get("/v1/health", include_in_schema=False)
@needs(ANY)
async def health_route() -> Response:
    """Say that the server answers."""
    return json_response({"status": "ok"})


@router.get("/ready", tags=["server"], responses={_UNAVAILABLE: {"content": {JSON: {"schema": NOT_READY}}}})
@needs(ANY)
async def ready_route(services: ServicesDep) -> Response:
    """Say whether requests are taken, and if not, why."""
    why = await asyncio.to_thread(_why_not, services)
    if why:
        return json_response({"status": "not ready", "reason": why}, _UNAVAILABLE, {"Retry-After": "5"})
    return json_response({"status": "ready"})


def _why_not(services: Services) -> str:
    folder = services.settings.models
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        return "the models directory cannot be read"
    waiting = sum(not request.running for request in services.scheduler.requests())
    return "the queue is full" if waiting >= services.settings.max_queue else ""
