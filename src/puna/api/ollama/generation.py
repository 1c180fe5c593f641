"""``/api/generate`` and ``/api/chat``."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.answering import answer
from puna.api.http.body import json_body, request_body
from puna.api.http.responses import json_response, until_gone
from puna.api.ollama.encoder import DIALECT, OllamaEncoder, chat_fields, generate_fields
from puna.api.ollama.schemas import ChatBody, GenerateBody, GenerationBody
from puna.api.ollama.translate import chat_request, generate_request, options_of
from puna.api.services import Services, ServicesDep, caller_of, keep_alive_seconds, warn_of_unknown
from puna.inference.requests import GenerationRequest
from puna.models.model import Model

router = APIRouter()


@router.post("/api/generate", tags=["generate"], openapi_extra=request_body(GenerateBody))
@needs(INFER)
async def generate_route(
    request: Request, body: Annotated[GenerateBody, Depends(json_body(GenerateBody))], services: ServicesDep
) -> Response:
    """Answer a prompt."""
    model, encoder = services.model(body.model), OllamaEncoder(body, generate_fields)
    if not body.prompt:
        return await until_gone(request, _load_or_unload(request, services, model, body, encoder))
    asked = await body.in_turns(
        lambda: generate_request(model, body, options_of(services.option_defaults, model, body))
    )
    return await _answer(request, services, asked, body, encoder)


@router.post("/api/chat", tags=["generate"], openapi_extra=request_body(ChatBody))
@needs(INFER)
async def chat_route(
    request: Request, body: Annotated[ChatBody, Depends(json_body(ChatBody))], services: ServicesDep
) -> Response:
    """Answer the last message of a conversation."""
    model, encoder = services.model(body.model), OllamaEncoder(body, chat_fields)
    if not body.messages:
        return await until_gone(request, _load_or_unload(request, services, model, body, encoder))
    asked = await body.in_turns(lambda: chat_request(model, body, options_of(services.option_defaults, model, body)))
    return await _answer(request, services, asked, body, encoder)


async def _answer(
    request: Request, services: Services, asked: GenerationRequest, body: GenerationBody, encoder: OllamaEncoder
) -> Response:
    warn_of_unknown(asked.options, request.url.path)
    keep_alive = keep_alive_seconds(body.keep_alive)
    caller = caller_of(request, body.priority)
    if body.debug_render_only:
        rendered = await until_gone(request, services.service.render(asked, caller, keep_alive))
        return json_response(encoder.rendered(rendered.prompt, rendered.images))
    events = services.service.generate(asked, caller, keep_alive, DIALECT)
    return await answer(request, events, encoder, stream=body.stream)


async def _load_or_unload(
    request: Request, services: Services, model: Model, body: GenerationBody, encoder: OllamaEncoder
) -> Response:
    """Answer a request without a prompt: it loads the model, or unloads it with ``keep_alive`` 0."""
    keep_alive = keep_alive_seconds(body.keep_alive)
    if keep_alive == 0:
        await services.service.unload(model)
        return json_response(encoder.without_prompt("unload"))
    options = options_of(services.option_defaults, model, body)
    await services.service.load(model, options.runner, caller_of(request, body.priority), keep_alive)
    return json_response(encoder.without_prompt("load"))
