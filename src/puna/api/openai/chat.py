"""``/v1/chat/completions``."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.answering import answer
from puna.api.extras import ignored_headers
from puna.api.http import sse
from puna.api.http.body import json_body, request_body
from puna.api.http.request_id import REQUEST_ID
from puna.api.http.responses import until_gone
from puna.api.openai.encoder import ChatEncoder
from puna.api.openai.schemas import ChatBody
from puna.api.openai.to_request import chat_request, custom_names, most_tokens, priority_of, without_effect
from puna.api.openai.usage import Head
from puna.api.parts import MediaReader
from puna.api.prefixes import Fingerprint
from puna.api.services import ServicesDep, caller_of, conversation_of, keep_alive_seconds, warn_of_unknown
from puna.api.tool_order import ToolOrder
from puna.inference.requests import Conversation, GenerationRequest

DIALECT = "openai"
router = APIRouter()


@router.post("/chat/completions", tags=["openai"], openapi_extra=request_body(ChatBody))
@needs(INFER)
async def chat_route(
    request: Request, body: Annotated[ChatBody, Depends(json_body(ChatBody))], services: ServicesDep
) -> Response:
    """Answer the last message of a conversation."""
    model, path = services.model(body.model), request.url.path
    options = body.merged(model, most_tokens(body))
    asked = await until_gone(request, chat_request(model, body, options, MediaReader(services.settings)))
    conversation = await body.in_turns(lambda: _steady(asked, services.tool_order))
    asked = replace(asked, input=conversation)
    comparison = None
    if key := conversation_of(request, body.prompt_cache_key):
        prompt = await body.in_turns(lambda: Fingerprint.of(model, conversation))
        comparison = services.prefixes.compare(key, prompt)
    warn_of_unknown(options, path)
    hears = bool(asked.prediction) and not asked.logprobs
    predicted = hears and await services.service.predicts(model, options.runner)
    ignored = await without_effect(model, body, predicted=predicted)
    headers = ignored_headers(path, body, options, ignored)
    caller = caller_of(request, priority_of(body), body.prompt_cache_key)
    events = services.service.generate(asked, caller, keep_alive_seconds(body.keep_alive), DIALECT)
    kind = "chat.completion.chunk" if body.stream else "chat.completion"
    head = Head("chatcmpl", request.scope[REQUEST_ID], model, body.model, kind)
    encoder = ChatEncoder(body, head, comparison, custom_names(body), predicted=predicted)
    headers |= sse.HEADERS if body.stream else {}
    return await answer(request, events, encoder, stream=body.stream, headers=headers)


def _steady(asked: GenerationRequest, order: ToolOrder) -> Conversation:
    """Return the conversation with the keys of its functions in the order in which they were first seen."""
    conversation = asked.input
    assert isinstance(conversation, Conversation)
    return replace(conversation, tools=order.steady(conversation.tools))
