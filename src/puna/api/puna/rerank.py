"""``/v1/rerank``, ``/rerank`` and ``/api/rerank``: documents by how well they answer a query.

One answer has what the clients of Jina, Cohere and Dify look for; a body with ``texts`` is answered as Hugging Face's
text-embeddings-inference does.
"""

import asyncio
import secrets
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
from puna.api.services import Services, ServicesDep, caller_of, keep_alive_seconds
from puna.errors import BadRequestError
from puna.inference.capabilities import capabilities
from puna.inference.rerank import Reranked, RerankRequest

router = APIRouter()
_MOST_DOCUMENTS = 1000


class RerankBody(Extras):
    """The body of all three. ``top_n`` is how many results to return, all if it is less than 1."""

    model: str = ""
    query: str = ""
    documents: list[str | dict[str, Any]] = Field(default_factory=list)
    texts: list[str] = Field(default_factory=list)
    top_n: int = 0
    return_documents: bool | None = None
    return_text: bool = False
    truncate: bool = True
    max_tokens_per_doc: int | None = None
    max_chunks_per_doc: int | None = None
    rank_fields: list[str] = Field(default_factory=list)


@router.post("/v1/rerank", tags=["puna"], openapi_extra=request_body(RerankBody))
@router.post("/api/rerank", tags=["puna"], openapi_extra=request_body(RerankBody))
@router.post("/rerank", include_in_schema=False)
@router.post("/v2/rerank", include_in_schema=False)
@needs(INFER)
async def rerank_route(
    request: Request, body: Annotated[RerankBody, Depends(json_body(RerankBody))], services: ServicesDep
) -> Response:
    """Score documents against a query, the best first."""
    if not body.model:
        body.model = await asyncio.to_thread(_only_reranker, services)
    model = services.model(body.model)
    if not body.query:
        raise BadRequestError("query is required", param="query")
    documents = tuple(body.texts or [_text(document, at) for at, document in enumerate(body.documents)])
    if len(documents) > _MOST_DOCUMENTS:
        raise BadRequestError(f"documents must be at most {_MOST_DOCUMENTS}", param="documents")
    options = body.merged(model, {"truncate": body.truncate})
    asked = RerankRequest(model=model, name=body.model, query=body.query, documents=documents, options=options)
    names = ("max_tokens_per_doc", "max_chunks_per_doc", "rank_fields")
    headers = ignored_headers(request.url.path, body, options, [name for name in names if getattr(body, name)])
    caller = caller_of(request, body.priority)
    found = await until_gone(request, services.service.rerank(asked, caller, keep_alive_seconds(body.keep_alive)))
    is_tei = "texts" in body.model_fields_set
    return json_response(_texts(body, found) if is_tei else _results(body, documents, found), headers=headers)


def _only_reranker(services: Services) -> str:
    """Return the name of the one model here that was made to rank, for clients of servers that have one model: those of
    text-embeddings-inference send no name. Raises ``BadRequestError`` where it is not clear which is meant."""
    found = [str(model.name) for model in services.models().models if "rerank" in capabilities(model)]
    if len(found) == 1:
        return found[0]
    here = f"there are {len(found)} here" if found else "there is none here"
    raise BadRequestError(f"model is required: without one it is the only reranker, and {here}", param="model")


def _text(document: str | dict[str, Any], at: int) -> str:
    text = document if isinstance(document, str) else document.get("text")
    if not isinstance(text, str):
        raise BadRequestError(f"documents.{at} must be a string or have a text", param=f"documents.{at}")
    return text


def _order(body: RerankBody, found: Reranked) -> list[tuple[int, float]]:
    order = sorted(enumerate(found.scores), key=lambda entry: -entry[1])
    return order[: body.top_n] if body.top_n > 0 else order


def _texts(body: RerankBody, found: Reranked) -> list[dict[str, Any]]:
    return [
        {"index": at, "score": score} | ({"text": body.texts[at]} if body.return_text else {})
        for at, score in _order(body, found)
    ]


def _results(body: RerankBody, documents: tuple[str, ...], found: Reranked) -> dict[str, Any]:
    results = [
        {"index": at, "relevance_score": score}
        | ({"document": {"text": documents[at]}} if body.return_documents else {})
        for at, score in _order(body, found)
    ]
    return {
        "id": f"rerank-{secrets.token_hex(12)}",
        "object": "list",
        "model": body.model,
        "results": results,
        "usage": {"prompt_tokens": found.prompt_tokens, "total_tokens": found.prompt_tokens},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    }
