"""``/metrics``: what the server does and has done, for Prometheus."""

import asyncio
import math
import time
from collections.abc import Iterator, Sequence

from fastapi import APIRouter
from starlette.responses import Response

from puna import OLLAMA_VERSION, __version__
from puna.accounts.grant import ANY
from puna.api.access.scopes import needs
from puna.api.puna.machine import cards_of
from puna.api.services import Services, ServicesDep
from puna.engine.devices import Device
from puna.engine.engines import Engines
from puna.scheduler.residency import ModelState
from puna.service import Activity
from puna.telemetry.metrics import Gauge

router = APIRouter()
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_started = time.time()
_LOOK_SECONDS = 30.0
_looked = -math.inf
_seen: Sequence[Device] = ()


@router.get("/metrics", tags=["server"])
@needs(ANY)
async def metrics_route(services: ServicesDep) -> Response:
    """Return all metrics in the text format of Prometheus."""
    services.require()  # they name models
    from puna.telemetry.families import exposition  # half a megabyte that a server without a reader does without

    gauges = [*await _gauges(services), *await _cards(services)]
    # With hundreds of models it takes half a second, in which no answer must stand still.
    return Response(await asyncio.to_thread(exposition, gauges), media_type=_TYPE)


async def _cards(services: Services) -> list[Gauge]:
    """Return the memory of graphics cards, as a look of a few seconds ago has found it: each takes a process."""
    global _looked, _seen
    if time.monotonic() - _looked > _LOOK_SECONDS:
        _looked = time.monotonic()
        program = Engines(services.settings.home, services.settings.engine).program()
        _seen = await asyncio.to_thread(cards_of, program)
    return [
        Gauge(
            "puna_card_memory_bytes", "Memory of graphics cards.", size, {"card": f"{at}: {card.name}", "state": state}
        )
        for at, card in enumerate(_seen)
        for state, size in (("free", card.free), ("used", card.total - card.free))
    ]


async def _gauges(services: Services) -> list[Gauge]:
    return [*_of(await services.service.activity(), await services.service.models())]


def _of(activity: Activity, models: list[ModelState]) -> Iterator[Gauge]:
    yield Gauge("puna_build_info", "Versions.", 1, {"version": __version__, "ollama": OLLAMA_VERSION})
    yield Gauge("puna_start_time_seconds", "When the server began, in seconds since the epoch.", _started, {})
    for batch, name in ((False, "interactive"), (True, "batch")):
        mine = [request for request in activity.requests if request.batch == batch]
        running = sum(request.running for request in mine)
        yield Gauge("puna_num_requests_running", "Requests that are answered now.", running, {"class": name})
        yield Gauge("puna_num_requests_waiting", "Requests that wait now.", len(mine) - running, {"class": name})
    yield Gauge("puna_loads_under_way", "Models that are being loaded.", len(activity.loads), {})
    by_name: dict[str, list[ModelState]] = {}
    for model in models:  # one that was made anew answers beside what it was before
        by_name.setdefault(str(model.model.name), []).append(model)
    for name, same in by_name.items():
        labels = {"model_name": name}
        size, on_cards = sum(model.size for model in same), sum(model.size_on_cards for model in same)
        context = max(model.context for model in same)
        yield Gauge("puna_model_memory_bytes", "Memory of a loaded model, planned or measured.", size, labels)
        yield Gauge("puna_model_card_bytes", "Of that on graphics cards.", on_cards, labels)
        yield Gauge("puna_model_context_tokens", "Context of a request.", context, labels)
