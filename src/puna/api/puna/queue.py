"""``/api/queue``: which requests run and wait, and how to cancel one."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import ANY
from puna.api.access.identity import IDENTITY, Identity
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.api.services import ServicesDep
from puna.errors import NotFoundError
from puna.names import parse_name
from puna.scheduler.admission import RequestState

router = APIRouter()


@router.get("/api/queue", tags=["queue"])
@needs(ANY)
async def queue_route(request: Request, services: ServicesDep) -> Response:
    """List the requests that run, those that wait, in the order of their turns in each model's queue, and the loads.

    A key without the scope ``admin`` sees its own.
    """
    activity = await services.service.activity()
    requests = [state for state in activity.requests if _is_seen(request, state)]
    running = sum(request.running for request in requests)
    return json_response(
        {
            "running": running,
            "waiting": len(requests) - running,
            "max_queue": services.settings.max_queue,
            "requests": [_entry(request) for request in requests],
            "loads": [
                {"model": load.model, "seconds": round(load.seconds, 3)}
                for load in activity.loads
                if services.sees(parse_name(load.model))
            ],
        }
    )


@router.delete("/api/queue/{request_id}", tags=["queue"])
@needs(ANY)
async def cancel_route(request: Request, request_id: str, services: ServicesDep) -> Response:
    """End a request by the id that its response carries as ``X-Request-Id``, whether it runs or waits."""
    activity = await services.service.activity()
    theirs = [state.id for state in activity.requests if not _is_seen(request, state)]
    if request_id in theirs:
        raise NotFoundError(f"no request '{request_id}' waits or runs")
    await services.service.cancel(request_id)
    return Response()


def _is_seen(request: Request, state: RequestState) -> bool:
    identity: Identity = request.scope[IDENTITY]
    return identity.is_admin or state.client == identity.client


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
