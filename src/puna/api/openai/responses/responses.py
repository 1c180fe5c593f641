"""``/v1/responses``: made, read again, streamed again, cancelled, deleted, counted, compacted."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.answering import answer
from puna.api.http.body import json_body, request_body
from puna.api.http.responses import json_response, stream_response, until_gone
from puna.api.http.sse import HEADERS
from puna.api.openai.responses.begin import begin, caller, owner_of, prompt_of
from puna.api.openai.responses.compact import compact
from puna.api.openai.responses.encoder import EventsEncoder, ReplyEncoder
from puna.api.openai.responses.paging import page
from puna.api.openai.responses.schemas import CompactBody, PromptBody, ResponsesBody
from puna.api.services import Services, ServicesDep, keep_alive_seconds
from puna.errors import BadRequestError

router = APIRouter()


@router.post("/responses", tags=["responses"], openapi_extra=request_body(ResponsesBody))
@needs(INFER)
async def create_route(
    request: Request, body: Annotated[ResponsesBody, Depends(json_body(ResponsesBody))], services: ServicesDep
) -> Response:
    """Answer an input."""
    begun = await until_gone(request, begin(request, services, body))
    made, headers = begun.made, begun.prompt.headers
    if body.background:
        made.reply.queue()
        await services.runs.start(owner_of(request), made, begun.prompt.given)
        if body.stream:
            return _followed(request, services, str(made.response["id"]), -1, headers)
        return json_response(made.response, headers=headers)
    headers = headers | (HEADERS if body.stream else {})
    return await answer(request, made.answer(), ReplyEncoder(made.reply), stream=body.stream, headers=headers)


@router.get("/responses/{response_id}", tags=["responses"])
@needs(INFER)
async def get_route(
    request: Request, response_id: str, services: ServicesDep, stream: bool = False, starting_after: int = -1
) -> Response:
    """Return a stored response, or stream the events of one that runs, or ran, in the background."""
    owner = owner_of(request)
    found = services.runs.response(owner, response_id) or await services.archive.response(owner, response_id)
    if not stream:
        return json_response(found)
    if not found["background"]:
        raise BadRequestError("stream: only the events of responses made with background=true are kept")
    return _followed(request, services, response_id, starting_after)


@router.delete("/responses/{response_id}", tags=["responses"])
@needs(INFER)
async def delete_route(request: Request, response_id: str, services: ServicesDep) -> Response:
    """Forget a response; one that runs is cancelled."""
    owner = owner_of(request)
    await services.runs.cancel(owner, response_id)
    await services.archive.delete(owner, response_id)
    return json_response({"id": response_id, "object": "response", "deleted": True})


@router.post("/responses/{response_id}/cancel", tags=["responses"])
@needs(INFER)
async def cancel_route(request: Request, response_id: str, services: ServicesDep) -> Response:
    """End a response that runs in the background where it is."""
    owner = owner_of(request)
    await services.runs.cancel(owner, response_id)
    found = await services.archive.response(owner, response_id)
    if not found["background"]:
        raise BadRequestError("only responses made with background=true can be cancelled")
    return json_response(found)


@router.get("/responses/{response_id}/input_items", tags=["responses"])
@needs(INFER)
async def input_items_route(
    request: Request,
    response_id: str,
    services: ServicesDep,
    after: str = "",
    limit: int = 20,
    order: str = "desc",
) -> Response:
    """List what a response was asked with, what it goes on from included."""
    items = await services.archive.given(owner_of(request), response_id)
    return json_response(page(items, after, limit, order))


@router.post("/responses/input_tokens", tags=["responses"], openapi_extra=request_body(PromptBody))
@needs(INFER)
async def input_tokens_route(
    request: Request, body: Annotated[PromptBody, Depends(json_body(PromptBody))], services: ServicesDep
) -> Response:
    """Count the tokens of the prompt that an input becomes."""

    async def work() -> tuple[int, dict[str, str]]:
        prompt = await prompt_of(request, services, body)
        keep_alive = keep_alive_seconds(body.keep_alive)
        tokens = await services.service.count(prompt.asked.request, caller(request, body), keep_alive)
        return tokens, prompt.headers

    tokens, headers = await until_gone(request, work())
    return json_response({"object": "response.input_tokens", "input_tokens": tokens}, headers=headers)


@router.post("/responses/compact", tags=["responses"], openapi_extra=request_body(CompactBody))
@needs(INFER)
async def compact_route(
    request: Request, body: Annotated[CompactBody, Depends(json_body(CompactBody))], services: ServicesDep
) -> Response:
    """Make a short summary of a conversation, to go on from in its place."""
    compacted, headers = await until_gone(request, compact(request, services, body))
    return json_response(compacted, headers=headers)


def _followed(
    request: Request, services: Services, name: str, after: int, headers: dict[str, str] | None = None
) -> Response:
    async def begun() -> Sequence[Any]:
        return ()

    events = services.runs.follow(owner_of(request), name, after)
    return stream_response(request, begun(), events, EventsEncoder(), HEADERS | (headers or {}))
