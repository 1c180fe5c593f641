"""``/v1/batches``: many requests in a file, answered when there is room, in files."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import ANY, INFER
from puna.api.access.identity import owner_of
from puna.api.access.scopes import needs
from puna.api.batching import ENDPOINTS, journal_of
from puna.api.http.body import Body, json_body, request_body
from puna.api.http.responses import json_response
from puna.api.openai.files import age_of
from puna.api.openai.pages import page_of
from puna.api.services import ServicesDep
from puna.durations import FOREVER, parse_duration
from puna.errors import BadRequestError
from puna.jobs.batches_items import NewBatch

_MOST = 100
_MOST_METADATA, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512
router = APIRouter()


class BatchBody(Body):
    """The body of ``/v1/batches``."""

    input_file_id: str
    endpoint: str
    completion_window: str = "24h"
    metadata: dict[str, str] | None = None
    output_expires_after: dict[str, Any] | None = None


@router.post("/batches", tags=["batches"], openapi_extra=request_body(BatchBody))
@needs(INFER)
async def create_batch_route(
    request: Request, body: Annotated[BatchBody, Depends(json_body(BatchBody))], services: ServicesDep
) -> Response:
    """Begin to answer the requests of a file."""
    batch = await journal_of(services).add(owner_of(request), _new(body))
    services.batches.wake()
    return json_response(batch)


def _new(body: BatchBody) -> NewBatch:
    if body.endpoint not in ENDPOINTS:
        raise BadRequestError(f"endpoint must be one of {', '.join(ENDPOINTS)}", param="endpoint")
    try:
        window = parse_duration(body.completion_window)
    except BadRequestError as error:
        raise BadRequestError(f"completion_window: {error}", param="completion_window") from None
    if not 0 < window < FOREVER:
        words = "completion_window must be more than nothing, and come to an end"
        raise BadRequestError(words, param="completion_window")
    metadata = body.metadata or {}
    too_long = any(len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE for key, value in metadata.items())
    if len(metadata) > _MOST_METADATA or too_long:
        words = f"metadata has at most {_MOST_METADATA} keys of {_LONGEST_KEY} characters, values of {_LONGEST_VALUE}"
        raise BadRequestError(words, param="metadata")
    age = body.output_expires_after
    return NewBatch(
        given=body.input_file_id,
        endpoint=body.endpoint,
        window=window,
        window_text=body.completion_window,
        metadata=body.metadata,
        output_age=age_of(age.get("anchor"), age.get("seconds")) if age else None,
    )


@router.get("/batches", tags=["batches"])
@needs(ANY)
async def list_batches_route(request: Request, services: ServicesDep, after: str = "", limit: int = 20) -> Response:
    """List the batches, the newest first."""
    batches = await journal_of(services).every(owner_of(request))
    return json_response(page_of(batches[::-1], after, limit, _MOST))


@router.get("/batches/{batch_id}", tags=["batches"])
@needs(ANY)
async def batch_route(request: Request, batch_id: str, services: ServicesDep) -> Response:
    """Describe a batch: how far it is, and the files of its answers and errors."""
    return json_response(await journal_of(services).get(owner_of(request), batch_id))


@router.post("/batches/{batch_id}/cancel", tags=["batches"])
@needs(ANY)
async def cancel_batch_route(request: Request, batch_id: str, services: ServicesDep) -> Response:
    """End a batch; what has been answered stays."""
    batch = await journal_of(services).cancel(owner_of(request), batch_id)
    services.batches.wake()
    return json_response(batch)
