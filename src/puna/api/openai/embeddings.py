"""``/v1/embeddings``."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.extras import ignored_headers, whole_number
from puna.api.http.body import json_body, request_body
from puna.api.http.responses import many_json_response, pieces, until_gone
from puna.api.openai.chat import DIALECT
from puna.api.openai.schemas import EmbeddingBody
from puna.api.services import ServicesDep, caller_of, keep_alive_seconds, warn_of_unknown
from puna.errors import BadRequestError
from puna.inference.embed import Embedded, EmbedRequest

_FORMATS = ("float", "base64")
_MOST_INPUTS = 2048
router = APIRouter()


@router.post("/embeddings", tags=["openai"], openapi_extra=request_body(EmbeddingBody))
@needs(INFER)
async def embeddings_route(
    request: Request, body: Annotated[EmbeddingBody, Depends(json_body(EmbeddingBody))], services: ServicesDep
) -> Response:
    """Return a vector of unit length for each text."""
    model, path = services.model(body.model), request.url.path
    if body.encoding_format not in _FORMATS:
        raise BadRequestError(
            f"encoding_format must be float or base64, not {body.encoding_format[:40]!r}", param="encoding_format"
        )
    whole_number(body.dimensions, "dimensions", 1, 2**31 - 1)
    options = body.merged(model)
    warn_of_unknown(options, path)
    headers = ignored_headers(path, body, options, ["user"] if body.user else [])
    asked = EmbedRequest(
        model=model, texts=_inputs(body), options=options, truncate=options.truncate, dimensions=body.dimensions or 0
    )
    keep_alive, caller = keep_alive_seconds(body.keep_alive), caller_of(request, body.priority)
    result = await until_gone(request, services.service.embed(asked, caller, keep_alive, DIALECT))
    _check_width(body, result)
    return await many_json_response(result.vectors.size, lambda: _answer(body, result), headers)


def _inputs(body: EmbeddingBody) -> tuple[str | tuple[int, ...], ...]:
    """Return the texts of a body, or the tokens of each."""
    given: Any = body.input
    if given is None:
        raise BadRequestError("input is required", param="input")
    inputs: list[Any] = [given] if isinstance(given, str) or (given and isinstance(given[0], int)) else given
    if not inputs or not all(inputs):
        raise BadRequestError("input must not be empty", param="input")
    if len(inputs) > _MOST_INPUTS:
        raise BadRequestError(f"input must have at most {_MOST_INPUTS} texts", param="input")
    return tuple(item if isinstance(item, str) else tuple(item) for item in inputs)


def _check_width(body: EmbeddingBody, result: Embedded) -> None:
    width = result.vectors.shape[1]
    if body.dimensions and body.dimensions > width:
        raise BadRequestError(f"dimensions must be at most {width} for this model", param="dimensions")


def _answer(body: EmbeddingBody, result: Embedded) -> dict[str, Any]:
    in_base64 = body.encoding_format == "base64"
    data = pieces(
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector.tobytes()).decode() if in_base64 else vector,
        }
        for index, vector in enumerate(result.vectors)
    )
    usage = {"prompt_tokens": result.prompt_tokens, "total_tokens": result.prompt_tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}
