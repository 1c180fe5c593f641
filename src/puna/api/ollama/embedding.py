"""``/api/embed`` and ``/api/embeddings``."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.http.body import json_body, request_body
from puna.api.http.responses import json_response, many_json_response, pieces, until_gone
from puna.api.ollama.encoder import DIALECT
from puna.api.ollama.schemas import EmbedBody, EmbeddingsBody
from puna.api.services import Services, ServicesDep, caller_of, keep_alive_seconds, warn_of_unknown
from puna.inference.embed import Embedded, EmbedRequest
from puna.inference.options import Options

router = APIRouter()


@router.post("/api/embed", tags=["embed"], openapi_extra=request_body(EmbedBody))
@needs(INFER)
async def embed_route(
    request: Request, body: Annotated[EmbedBody, Depends(json_body(EmbedBody))], services: ServicesDep
) -> Response:
    """Return a vector of unit length for each text."""
    started = time.perf_counter_ns()
    texts = ([body.input] if body.input else []) if isinstance(body.input, str) else body.input
    if not texts:
        await _embed(request, services, body, texts)
        return json_response({"model": body.model, "embeddings": []})
    result = await _embed(request, services, body, texts, truncate=body.truncate, dimensions=body.dimensions)
    return await many_json_response(
        result.vectors.size,
        lambda: (
            {
                "model": body.model,
                "embeddings": pieces(result.vectors),
                "total_duration": time.perf_counter_ns() - started,
                "load_duration": result.load_duration,
                "prompt_eval_count": result.prompt_tokens,
            }
            | _left_out(result)
        ),
    )


@router.post("/api/embeddings", tags=["embed"], openapi_extra=request_body(EmbeddingsBody))
@needs(INFER)
async def embeddings_route(
    request: Request, body: Annotated[EmbeddingsBody, Depends(json_body(EmbeddingsBody))], services: ServicesDep
) -> Response:
    """Return the vector of one text: the older form, for some models as long as they make it."""
    texts = [body.prompt] if body.prompt else []
    result = await _embed(request, services, body, texts, normalize=None)
    return json_response({"embedding": result.vectors[0] if texts else []})


def _left_out(result: Embedded) -> dict[str, Any]:
    """Return the fields that say what was cut, as the end of an answer has them."""
    if not result.dropped_tokens:
        return {}
    return {"prompt_truncated": True, "dropped_tokens": result.dropped_tokens, "context_length": result.context}


async def _embed(
    request: Request, services: Services, body: EmbedBody | EmbeddingsBody, texts: list[str], **how: Any
) -> Embedded:
    model = services.model(body.model)
    options = Options.merge(services.option_defaults, model.defaults, body.options)
    warn_of_unknown(options, request.url.path)
    keep_alive = keep_alive_seconds(body.keep_alive)
    caller = caller_of(request, body.priority)
    if not texts and keep_alive == 0:
        await services.service.unload(model)
    asked = EmbedRequest(model=model, texts=tuple(texts), options=options, **how)
    return await until_gone(request, services.service.embed(asked, caller, keep_alive, DIALECT))
