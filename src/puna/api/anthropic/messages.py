"""``/v1/messages``, and how many tokens one would read."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.answering import answer
from puna.api.anthropic.blocks import urls_of
from puna.api.anthropic.encoder import DIALECT, AnthropicEncoder
from puna.api.anthropic.schemas import CountBody, MessagesBody
from puna.api.anthropic.translate import Around, generation_request, options_of, without_effect
from puna.api.extras import ignored_headers
from puna.api.http import sse
from puna.api.http.body import json_body, request_body
from puna.api.http.request_id import REQUEST_ID
from puna.api.http.responses import json_response, until_gone
from puna.api.parts import MediaReader
from puna.api.prefixes import Fingerprint
from puna.api.services import Services, ServicesDep, caller_of, conversation_of, keep_alive_seconds, warn_of_unknown
from puna.inference.capabilities import capabilities
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Conversation, GenerationRequest
from puna.models.model import Model
from puna.scheduler.lease import Caller

router = APIRouter(tags=["anthropic"])
_log = logging.getLogger(__name__)


@router.post("/v1/messages", openapi_extra=request_body(MessagesBody))
@needs(INFER)
async def messages_route(
    request: Request, body: Annotated[MessagesBody, Depends(json_body(MessagesBody))], services: ServicesDep
) -> Response:
    """Answer the last message of a conversation, in Anthropic's form."""
    model = services.model(body.model)
    asked, headers = await _asked(request, services, model, body)
    asked = replace(asked, whole=not body.stream)
    conversation = asked.input
    assert isinstance(conversation, Conversation)
    prompt = await body.in_turns(lambda: Fingerprint.of(model, conversation))
    user = body.metadata.user_id if body.metadata else ""
    previous = body.diagnostics.previous_message_id if body.diagnostics else ""
    comparison = services.prefixes.compare(conversation_of(request) or conversation_of(request, user), prompt, previous)
    encoder = AnthropicEncoder(body, services.seal, comparison)
    caller = _caller(request, body, user)
    events = services.service.generate(asked, caller, keep_alive_seconds(body.keep_alive), DIALECT)
    if body.stream:
        headers |= sse.HEADERS
    return await answer(request, events, encoder, stream=body.stream, headers=headers)


@router.post("/v1/messages/count_tokens", openapi_extra=request_body(CountBody))
@needs(INFER)
async def count_route(
    request: Request, body: Annotated[CountBody, Depends(json_body(CountBody))], services: ServicesDep
) -> Response:
    """Return how many tokens the prompt of a message has, exactly."""
    model = services.model(body.model)
    asked, headers = await _asked(request, services, model, body)
    counted = services.service.count(asked, _caller(request, body), keep_alive_seconds(body.keep_alive))
    return json_response({"input_tokens": await until_gone(request, counted)}, headers=headers)


async def _asked(
    request: Request, services: Services, model: Model, body: CountBody
) -> tuple[GenerationRequest, dict[str, str]]:
    """Return what a body asks, and the headers of its answer."""
    reader = MediaReader(services.settings)
    media: Mapping[str, bytes] = {
        url: await until_gone(request, reader.at(url, "source.url")) for url in dict.fromkeys(urls_of(body.messages))
    }
    options = options_of(model, body)
    warn_of_unknown(options, request.url.path)
    can_think = "thinking" in await beside_the_loop(lambda: capabilities(model))
    around = Around(services.seal, services.tool_order, media, can_think)
    asked = await body.in_turns(lambda: generation_request(model, body, options, around))
    ignored = ignored_headers(request.url.path, body, options, without_effect(body, can_think=can_think))
    return asked, {"request-id": f"req_{request.scope[REQUEST_ID]}"} | ignored


def _caller(request: Request, body: CountBody, user: str = "") -> Caller:
    """Return who asks; the conversation is the one that a header names, else the user's."""
    return caller_of(request, body.priority, "" if conversation_of(request) else user)
