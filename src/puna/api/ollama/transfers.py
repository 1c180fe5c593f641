"""The routes that move models between this machine and registries, and those that verify and repair the store."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import ADMIN, CREATE, PULL
from puna.api.access.identity import IDENTITY, Identity
from puna.api.access.scopes import needs
from puna.api.http.body import json_body, request_body
from puna.api.http.responses import json_response, until_gone
from puna.api.ollama.progress import Batches, batches_response
from puna.api.ollama.schemas import PullBody, PushBody, RepairBody, VerifyBody
from puna.api.services import ServicesDep
from puna.errors import BadRequestError
from puna.models.registry.progress import Progress
from puna.models.verify import Run

router = APIRouter()


@router.post("/api/pull", tags=["models"], openapi_extra=request_body(PullBody))
@needs(PULL)
async def pull_route(
    request: Request, body: Annotated[PullBody, Depends(json_body(PullBody))], services: ServicesDep
) -> Response:
    """Fetch a model from a registry, or say what would be fetched."""
    puller, guarded = services.transfers.puller, is_remote(request)
    if body.all:
        if body.reference or not body.dry_run:
            raise BadRequestError('"all" goes with "dry_run" and without a model')
        services.require()
        plans = await until_gone(request, puller.plan_all(insecure=body.insecure, guarded=guarded))
        return json_response({"status": "success", "plans": [plan.to_json() for plan in plans]})
    model = _required(body.reference)
    services.require(model)
    if body.dry_run:
        plan = await until_gone(request, puller.plan(model, insecure=body.insecure, guarded=guarded))
        return json_response({"status": "success", "plans": [plan.to_json()]})
    events = puller.pull(model, insecure=body.insecure, guarded=guarded)
    return await batches_response(request, _lines(events), stream=body.stream)


@router.post("/api/push", tags=["models"], openapi_extra=request_body(PushBody))
@needs(CREATE)
async def push_route(
    request: Request, body: Annotated[PushBody, Depends(json_body(PushBody))], services: ServicesDep
) -> Response:
    """Send a model to a registry."""
    model = _required(body.reference)
    services.require(model)
    events = services.transfers.pusher.push(model, insecure=body.insecure, guarded=is_remote(request))
    return await batches_response(request, _lines(events), stream=body.stream)


@router.post("/api/puna/verify", tags=["store"], openapi_extra=request_body(VerifyBody))
@needs(ADMIN)
async def verify_route(
    request: Request, body: Annotated[VerifyBody, Depends(json_body(VerifyBody))], services: ServicesDep
) -> Response:
    """Read every blob of the store, or of one model, and say what is damaged."""
    run = services.transfers.verifier.verify(body.reference or None, prune=body.prune)
    return await batches_response(request, _run_lines(run), stream=body.stream)


@router.post("/api/puna/repair", tags=["store"], openapi_extra=request_body(RepairBody))
@needs(ADMIN)
async def repair_route(
    request: Request, body: Annotated[RepairBody, Depends(json_body(RepairBody))], services: ServicesDep
) -> Response:
    """Verify, put what is damaged aside, and fetch it again."""
    run = services.transfers.verifier.repair(body.reference or None, insecure=body.insecure, guarded=is_remote(request))
    return await batches_response(request, _run_lines(run), stream=body.stream)


def is_remote(request: Request) -> bool:
    """Return whether a request comes from another machine, or may."""
    identity: Identity = request.scope[IDENTITY]
    return identity.remote


def _required(reference: str) -> str:
    if not reference:
        raise BadRequestError("model is required")
    return reference


async def _lines(events: AsyncGenerator[Progress, None]) -> Batches:
    async with contextlib.aclosing(events):
        async for progress in events:
            yield [progress.to_json()]


async def _run_lines(run: Run) -> Batches:
    async with contextlib.aclosing(run.progress()) as events:
        async for progress in events:
            yield [progress.to_json()]
    yield [{"status": "success", "report": run.report.to_json()}]
