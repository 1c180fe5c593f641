"""``/api/puna/machine`` and ``/api/puna/requests``: the memory of this machine, and its last requests."""

import asyncio
from collections.abc import Sequence
from typing import Any

import psutil
from fastapi import APIRouter
from starlette.responses import Response

from puna.accounts.grant import ADMIN, INFER
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

    A key without the scope ``admin`` is told of its own, and how many there were of others to models that it may know.
    """
    known = [record for record in services.recent.records() if _is_known(services, record)]
    own = [record for record in known if _is_seen(services, record)]
    return json_response({"requests": [_entry(record) for record in own], "others": len(known) - len(own)})


def _is_known(services: Services, record: Record) -> bool:
    return _is_own(services, record) or services.sees(parse_name(record.model))


def _is_seen(services: Services, record: Record) -> bool:
    return _is_own(services, record) or services.key is None or ADMIN in services.key.grant.scopes


def _is_own(services: Services, record: Record) -> bool:
    return services.key is not None and record.key == services.key.name


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
