"""Tokens and prompts, without an answer: ``/api/tokenize``, ``/api/detokenize``, ``/api/apply_template``, and
``/tokenize`` and ``/detokenize`` as vLLM has them.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.extras import Extras, ignored_headers
from puna.api.http.body import json_body, request_body
from puna.api.http.responses import json_response, until_gone
from puna.api.model_shapes import context_of
from puna.api.openai.schemas import ChatBody
from puna.api.openai.to_request import chat_request
from puna.api.parts import MediaReader
from puna.api.services import Services, ServicesDep, caller_of, keep_alive_seconds
from puna.errors import BadRequestError
from puna.inference.options import Options
from puna.models.model import Model

router = APIRouter()


class TokenizeBody(ChatBody):
    """A text, under whichever of its names, or messages. ``add_special_tokens`` adds the beginning of a prompt."""

    text: str | None = None
    content: str | None = None
    prompt: str | None = None
    add_special_tokens: bool | None = None
    add_special: bool | None = None
    add_generation_prompt: bool = True
    return_token_strs: bool = False


class PromptFields(Extras):
    """What of a chat makes its prompt, for the description of these routes; all other fields of one are taken."""

    model: str = ""
    messages: list[dict[str, Any]] = Field(default_factory=list)
    tools: list[dict[str, Any]] = Field(default_factory=list)


class TokenizeFields(PromptFields):
    """The fields of ``TokenizeBody`` that are its own."""

    text: str | None = None
    content: str | None = None
    prompt: str | None = None
    add_special_tokens: bool | None = None


class DetokenizeBody(Extras):
    """Tokens to make a text of."""

    model: str = ""
    tokens: list[int] = Field(default_factory=list)


@router.post("/api/tokenize", tags=["puna"], openapi_extra=request_body(TokenizeFields))
@needs(INFER)
async def tokenize_route(
    request: Request, body: Annotated[TokenizeBody, Depends(json_body(TokenizeBody))], services: ServicesDep
) -> Response:
    """Return the tokens of a text, or of the prompt that messages make."""
    tokens, _, options = await _tokens(request, body, services, special=False)
    found = {"model": body.model, "tokens": tokens, "count": len(tokens)}
    return json_response(found, headers=_ignored(request, body, options))


@router.post("/tokenize", include_in_schema=False)
@router.post("/v1/tokenize", include_in_schema=False)
@needs(INFER)
async def vllm_tokenize_route(
    request: Request, body: Annotated[TokenizeBody, Depends(json_body(TokenizeBody))], services: ServicesDep
) -> Response:
    """Return the tokens of a text or of messages, as vLLM does."""
    tokens, model, options = await _tokens(request, body, services, special=True)
    said = None
    if body.return_token_strs:
        caller = caller_of(request, body.priority)
        said = await until_gone(request, services.service.pieces(model, options, tokens, caller, None))
    context = context_of(options.runner.num_ctx or services.settings.context_length, model.gguf.context_length or 0)
    found = {"count": len(tokens), "max_model_len": context, "tokens": tokens, "token_strs": said}
    return json_response(found, headers=_ignored(request, body, options))


@router.post("/api/detokenize", tags=["puna"], openapi_extra=request_body(DetokenizeBody))
@needs(INFER)
async def detokenize_route(
    request: Request, body: Annotated[DetokenizeBody, Depends(json_body(DetokenizeBody))], services: ServicesDep
) -> Response:
    """Return the text of tokens."""
    text = await _text(request, body, services)
    return json_response({"model": body.model, "text": text, "content": text})


@router.post("/detokenize", include_in_schema=False)
@router.post("/v1/detokenize", include_in_schema=False)
@needs(INFER)
async def vllm_detokenize_route(
    request: Request, body: Annotated[DetokenizeBody, Depends(json_body(DetokenizeBody))], services: ServicesDep
) -> Response:
    """Return the text of tokens, as vLLM does."""
    return json_response({"prompt": await _text(request, body, services)})


@router.post("/api/apply_template", tags=["puna"], openapi_extra=request_body(PromptFields))
@router.post("/apply-template", include_in_schema=False)
@needs(INFER)
async def apply_template_route(
    request: Request, body: Annotated[ChatBody, Depends(json_body(ChatBody))], services: ServicesDep
) -> Response:
    """Return the prompt that messages make, as the model would get it."""
    model = services.model(body.model)
    options = body.merged(model)
    asked = await chat_request(model, body, options, MediaReader(services.settings))
    headers = ignored_headers(request.url.path, body, options, ())
    keep_alive = keep_alive_seconds(body.keep_alive)
    rendered = await until_gone(request, services.service.render(asked, caller_of(request, body.priority), keep_alive))
    return json_response({"model": body.model, "prompt": rendered.prompt}, headers=headers)


def _ignored(request: Request, body: TokenizeBody, options: Options) -> dict[str, str]:
    names = () if body.add_generation_prompt else ("add_generation_prompt",)
    return ignored_headers(request.url.path, body, options, names)


async def _tokens(
    request: Request, body: TokenizeBody, services: Services, *, special: bool
) -> tuple[list[int], Model, Options]:
    """Return tokens, the model, and the options of the request; ``special`` where the body does not say."""
    model = services.model(body.model)
    options = body.merged(model)
    caller, keep_alive = caller_of(request, body.priority), keep_alive_seconds(body.keep_alive)
    asked = next((flag for flag in (body.add_special_tokens, body.add_special) if flag is not None), special)
    text = next((text for text in (body.text, body.content, body.prompt) if text is not None), None)
    if text is None and body.messages:
        chat = await chat_request(model, body, options, MediaReader(services.settings))
        text = (await until_gone(request, services.service.render(chat, caller, keep_alive))).prompt
        asked = bool(body.add_special_tokens or body.add_special)  # a template writes the beginning itself
    if text is None:
        raise BadRequestError("text or messages are required", param="text")
    work = services.service.tokenize(model, options, text, caller, keep_alive, special=asked)
    return await until_gone(request, work), model, options


async def _text(request: Request, body: DetokenizeBody, services: Services) -> str:
    model = services.model(body.model)
    caller, keep_alive = caller_of(request, body.priority), keep_alive_seconds(body.keep_alive)
    work = services.service.detokenize(model, body.merged(model), body.tokens, caller, keep_alive)
    return await until_gone(request, work)
