"""``/api/puna/engine``: which engine runs, what else there is, and what ``puna tune`` has found."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.api.services import Services, ServicesDep
from puna.engine.account import account
from puna.engine.engines import Engines
from puna.scheduler.tuning_store import Measured, TuningStore

router = APIRouter()


@router.get("/api/puna/engine", tags=["server"])
@needs(INFER)
async def engine_route(services: ServicesDep) -> Response:
    """Tell which engine runs models and what it uses of the processor, and how models run that were measured."""
    return json_response(await asyncio.to_thread(_told, services))


def _told(services: Services) -> dict[str, Any]:
    settings = services.settings
    told = account(Engines(settings.home, settings.engine))
    seen = {str(model.name) for model in services.models().models}
    keys = {name.lower() for name in seen}
    models = {name: engine for name, engine in told["models"].items() if name in keys}
    measured = [_entry(entry) for entry in TuningStore(settings.home / "tuning").list() if entry.model in seen]
    return told | {"models": models, "tuned": measured}


def _entry(measured: Measured) -> dict[str, Any]:
    return {
        "model": measured.model,
        "measured_at": measured.measured_at,
        "engine": measured.key.engine,
        "runs_with": str(measured.tuned),
        "speeds": dict(measured.speeds),
    }
