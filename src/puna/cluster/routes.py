"""``/api/puna/cluster``: the nodes of a cluster, for ``puna cluster status`` and ``drain``."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna import __version__
from puna.accounts.grant import ADMIN
from puna.api.access.scopes import needs
from puna.api.http.body import Body, json_body, request_body
from puna.api.http.responses import json_response
from puna.api.services import ServicesDep
from puna.cluster.service import ClusterService
from puna.cluster.state import PROTOCOL, NodeState
from puna.errors import BadRequestError

router = APIRouter()


class DrainBody(Body):
    """Which node takes no more requests (``drain``), or takes them again."""

    node: str = ""
    drain: bool = True


@router.get("/api/puna/cluster", tags=["cluster"])
@needs(ADMIN)
async def cluster_route(services: ServicesDep) -> Response:
    """List the nodes with what they last said of themselves."""
    service = cast(ClusterService, services.service)
    names = {model.digest: str(model.name) for model in services.models().models}
    nodes = sorted(service.nodes(), key=lambda state: state.id)
    return json_response({"version": __version__, "nodes": [_entry(state, names) for state in nodes]})


@router.post("/api/puna/cluster/drain", tags=["cluster"], openapi_extra=request_body(DrainBody))
@needs(ADMIN)
async def drain_route(
    _request: Request, body: Annotated[DrainBody, Depends(json_body(DrainBody))], services: ServicesDep
) -> Response:
    """Let a node take no more requests; those that it answers come to their end. ``node`` may be its address."""
    service = cast(ClusterService, services.service)
    found = [state.id for state in service.nodes() if body.node in (state.id, state.address)]
    if not found:
        raise BadRequestError(f"the cluster has no node {body.node!r}", param="node")
    await service.set_draining(found, draining=body.drain)
    return json_response({"nodes": found})


def _entry(state: NodeState, names: dict[str, str]) -> dict[str, Any]:
    """Return what is told of a node; ``state`` says whether it may be sent requests, and if not, why."""
    other = "" if state.protocol == PROTOCOL else "another protocol"
    return {
        "node": state.id,
        "address": state.address,
        "version": state.version,
        "engine": state.engine,
        "state": "draining" if state.draining else other or "ready",
        "labels": sorted(state.labels),
        "memory": state.memory,
        "free": state.free,
        "sent": state.sent,
        "models": [
            {"model": names.get(held.digest, held.digest[:12]), "slots": held.slots, "size": held.size}
            for held in state.held
        ],
    }
