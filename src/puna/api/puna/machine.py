"""``/api/puna/machine`` and ``/api/puna/requests``: the memory of this machine, and its last requests."""

import asyncio
from collections.abc import Sequence
from typing import Any

import psutil
from fastapi import APIRouter
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.api.services import Services, ServicesDep
from puna.engine.devices import Device, devices, devices_now
from puna.engine.engines import Engines
from puna.names import parse_name
from puna.telemetry.record import Record

router = APIRouter()


@router.get("/api/puna/machine", tags=["server"])
@needs(INFER)
async def machine_route(services: ServicesDep) -> Response:
    """Tell how much memory the machine and its graphics cards have, and how much of it is free, in bytes."""
    settings = services.settings
    program = Engines(settings.home, settings.engine).program()
    memory = psutil.virtual_memory()
    return json_response(
        {
            "memory": {"total": memory.total, "available": memory.available},
            "cards": await asyncio.to_thread(_cards, program),
            "processors": psutil.cpu_count() or 1,
        }
    )


@router.get("/api/puna/requests", tags=["queue"])
@needs(INFER)
async def requests_route(services: ServicesDep) -> Response:
    """List the last requests that are over, the latest first, without a word of what was said.

    A key is told of its own, and of those to models that it may know of.
    """
    return json_response(
        {"requests": [_entry(record) for record in services.recent.records() if _is_seen(services, record)]}
    )


def _is_seen(services: Services, record: Record) -> bool:
    key = services.key
    return key is None or record.key == key.name or services.sees(parse_name(record.model))


def cards_of(program: str) -> Sequence[Device]:
    """Return the cards that an engine computes on, as they are now; the portable one is not asked."""
    return devices_now(program) or () if program and devices(program) else ()


def _cards(program: str) -> list[dict[str, Any]]:
    return [{"name": card.name, "total": card.total, "free": card.free} for card in cards_of(program)]


def _entry(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        **record.told,
        "ready": record.ready,
        "first": record.first,
        "duration": record.duration,
    }
