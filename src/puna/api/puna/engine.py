"""``/api/puna/engine``: which engine runs, what else there is, and what ``puna tune`` has found."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.api.services import ServicesDep
from puna.engine.account import account
from puna.engine.engines import Engines
from puna.models.library import Library
from puna.scheduler.tuning_store import Measured, TuningStore
from puna.settings import Settings

router = APIRouter()


@router.get("/api/puna/engine", tags=["server"])
@needs(INFER)
async def engine_route(services: ServicesDep) -> Response:
    """Tell which engine runs models and what it uses of the processor, and how models run that were measured."""
    return json_response(await asyncio.to_thread(_told, services.settings, services.library))


def _told(settings: Settings, library: Library) -> dict[str, Any]:
    told = account(Engines(settings.home, settings.engine))
    here = {str(model.name) for model in library.list().models}
    models = {name: engine for name, engine in told["models"].items() if name in {entry.lower() for entry in here}}
    measured = [_entry(entry) for entry in TuningStore(settings.home / "tuning").list() if entry.model in here]
    return told | {"models": models, "tuned": measured}


def _entry(measured: Measured) -> dict[str, Any]:
    return {
        "model": measured.model,
        "measured_at": measured.measured_at,
        "engine": measured.key.engine,
        "runs_with": str(measured.tuned),
        "speeds": dict(measured.speeds),
    }
