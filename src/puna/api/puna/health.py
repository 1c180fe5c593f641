"""``/health`` and ``/ready``: whether the server lives, and whether it can take a request now."""

import asyncio
import os
from pathlib import Path

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
@router.head("/health", include_in_schema=False)
@router.get("/v1/health", include_in_schema=False)
@needs(ANY)
async def health_route() -> Response:
    """Say that the server answers."""
    return json_response({"status": "ok"})


@router.head("/ready", include_in_schema=False)
@router.get("/ready", tags=["server"], responses={_UNAVAILABLE: {"content": {JSON: {"schema": NOT_READY}}}})
@needs(ANY)
async def ready_route(services: ServicesDep) -> Response:
    """Say whether requests are taken, and if not, why."""
    why = await _why_not(services)
    if why:
        return json_response({"status": "not ready", "reason": why}, _UNAVAILABLE, {"Retry-After": "5"})
    return json_response({"status": "ready"})


async def _why_not(services: Services) -> str:
    if await asyncio.to_thread(_is_locked, services.settings.models):
        return "the models directory cannot be read"
    waiting = sum(not request.running for request in (await services.service.activity()).requests)
    return "the queue is full" if waiting >= services.settings.max_queue else ""


def _is_locked(folder: Path) -> bool:
    return folder.exists() and not os.access(folder, os.R_OK | os.X_OK)
