"""``/api/queue``: which requests run and wait, and how to cancel one."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from puna.api.http.responses import json_response
from puna.api.services import ServicesDep
from puna.scheduler.admission import RequestState

router = APIRouter()


@router.get("/api/queue", tags=["queue"])
async def queue_route(services: ServicesDep) -> Response:
    """List the requests that run, those that wait, in the order of their turns in each model's queue, and the loads."""
    requests = services.scheduler.requests()
    running = sum(request.running for request in requests)
    return json_response(
        {
            "running": running,
            "waiting": len(requests) - running,
            "max_queue": services.settings.max_queue,
            "requests": [_entry(request) for request in requests],
            "loads": [
                {"model": load.model, "seconds": round(load.seconds, 3)} for load in services.scheduler.loading()
            ],
        }
    )


@router.delete("/api/queue/{request_id}", tags=["queue"])
async def cancel_route(request_id: str, services: ServicesDep) -> Response:
    """End a request by the id that its response carries as ``X-Request-Id``, whether it runs or waits."""
    services.scheduler.cancel(request_id)
    return Response()


def _entry(request: RequestState) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": request.id,
        "model": request.model,
        "client": request.client,
        "priority": "batch" if request.batch else "interactive",
        "state": request.state,
        "seconds": round(request.seconds, 3),
    }
    if not request.running:
        wait = request.estimated_wait
        body |= {"position": request.position, "estimated_wait": None if wait is None else round(wait, 1)}
    return body
