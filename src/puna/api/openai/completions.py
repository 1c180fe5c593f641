"""``/v1/completions``: text, or tokens, to go on with as they are."""

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
from puna.api.openai.chat import DIALECT
from puna.api.openai.prompts import Prompt, answers_to, candidates, completion_request, prompts_of
from puna.api.openai.schemas import CompletionBody
from puna.api.openai.text_encoder import TextEncoder
from puna.api.openai.to_request import MOST_CHOICES, most_tokens, without_effect
from puna.api.openai.usage import Head
from puna.api.services import Services, ServicesDep, caller_of, keep_alive_seconds, warn_of_unknown
from puna.errors import BadRequestError
from puna.inference.options import Options
from puna.inference.scoring import Scored
from puna.models.model import Model
from puna.scheduler.lease import Caller

router = APIRouter()


@router.post("/completions", tags=["openai"], openapi_extra=request_body(CompletionBody))
@needs(INFER)
async def completions_route(
    request: Request, body: Annotated[CompletionBody, Depends(json_body(CompletionBody))], services: ServicesDep
) -> Response:
    """Go on with a text."""
    model, path = services.model(body.model), request.url.path
    silent = body.echo and body.max_tokens == 0
    options = body.merged(model, most_tokens(body.model_copy(update={"max_tokens": 1}) if silent else body))
    prompts, count = prompts_of(body), candidates(body)
    if len(prompts) * count > MOST_CHOICES:
        raise BadRequestError(f"more than {MOST_CHOICES} answers are asked for", param="prompt")
    asked = [completion_request(model, body, options, prompt, count) for prompt in prompts]
    warn_of_unknown(options, path)
    headers = ignored_headers(path, body, options, await without_effect(model, body))
    caller, keep_alive = caller_of(request, body.priority), keep_alive_seconds(body.keep_alive)
    shown, scored = [""] * len(prompts), [list[Scored]()] * len(prompts)
    if body.echo:
        shown = await until_gone(request, _texts(services, model, options, prompts, caller, keep_alive))
    if body.echo and body.logprobs is not None:
        work = _scored(services, model, options, prompts, body.logprobs, caller, keep_alive)
        scored = await until_gone(request, work)
    events = answers_to(services.service, asked, caller, keep_alive, DIALECT)
    head = Head("cmpl", request.scope[REQUEST_ID], model, body.model, "text_completion")
    headers |= sse.HEADERS if body.stream else {}
    encoder = TextEncoder(body, head, list(zip(shown, scored, strict=True)), count, silent=silent)
    return await answer(request, events, encoder, stream=body.stream, headers=headers)


async def _texts(
    services: Services, model: Model, options: Options, prompts: list[Prompt], caller: Caller, keep_alive: float | None
) -> list[str]:
    """Return the prompts as text, those that are tokens as the model's vocabulary has them."""
    service = services.service
    return [
        prompt if isinstance(prompt, str) else await service.detokenize(model, options, prompt, caller, keep_alive)
        for prompt in prompts
    ]


async def _scored(
    services: Services,
    model: Model,
    options: Options,
    prompts: list[Prompt],
    top: int,
    caller: Caller,
    keep_alive: float | None,
) -> list[list[Scored]]:
    """Return how likely the tokens of each prompt were."""
    service = services.service
    return [await service.score(model, options, prompt, top, caller, keep_alive) for prompt in prompts]
