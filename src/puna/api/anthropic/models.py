"""``/v1/models`` as Anthropic's clients read it: those that send ``anthropic-version``."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from puna.api.dialect import ANTHROPIC_VERSION
from puna.api.http.responses import json_response
from puna.api.ollama.facts import Facts, FactsCache, facts_of
from puna.api.services import Services, ServicesDep
from puna.errors import BadRequestError
from puna.models.model import Model

router = APIRouter(tags=["anthropic"])
_facts = FactsCache()
_PAGE, _LARGEST_PAGE = 20, 1000
_ACTIVE = "active"


@router.get("/v1/models", include_in_schema=False)
async def models_route(request: Request, services: ServicesDep) -> Response:
    """List the models on disk for a client of Anthropic's."""
    return await models_response(request, services) or _nothing()


@router.get("/v1/models/{name:path}", include_in_schema=False)
async def model_route(request: Request, name: str, services: ServicesDep) -> Response:
    """Describe one model for a client of Anthropic's."""
    return await model_response(request, name, services) or _nothing()


async def models_response(request: Request, services: Services) -> Response | None:
    """Return a page of the models on disk, ``None`` if the caller does not say that it speaks this dialect."""
    if ANTHROPIC_VERSION not in request.headers:
        return None
    models = (await asyncio.to_thread(services.library.list)).models
    facts = await asyncio.to_thread(_facts.of, models)
    entries = [model_body(model, facts[model.digest]) for model in models if model.digest in facts]
    wanted = request.query_params.getlist("lifecycle") or request.query_params.getlist("lifecycle[]")
    return json_response(page(entries if not wanted or _ACTIVE in wanted else [], request.query_params))


async def model_response(request: Request, name: str, services: Services) -> Response | None:
    """Return one model, ``None`` if the caller does not say that it speaks this dialect."""
    if ANTHROPIC_VERSION not in request.headers:
        return None
    model = services.model(name)
    return json_response(await asyncio.to_thread(lambda: model_body(model, facts_of(model))))


def page(entries: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page of a list, by ``limit`` and the id that it comes after, or before."""
    limit = query.get("limit", str(_PAGE))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= _LARGEST_PAGE):
        raise BadRequestError(f"limit must be between 1 and {_LARGEST_PAGE}")
    size, ids = int(limit), [entry["id"] for entry in entries]
    if before := query.get("before_id"):
        end = _place(ids, before, "before_id")
        start = max(end - size, 0)
        more = start > 0
    else:
        start = _place(ids, query["after_id"], "after_id") + 1 if query.get("after_id") else 0
        end = min(start + size, len(ids))
        more = end < len(ids)
    shown = ids[start:end]
    return {
        "data": list(entries[start:end]),
        "has_more": more,
        "first_id": shown[0] if shown else None,
        "last_id": shown[-1] if shown else None,
    }


def model_body(model: Model, facts: Facts) -> dict[str, Any]:
    """Return what the dialect says of a model (``ModelInfo`` of its package)."""
    context = facts.context_length or None
    return {
        "type": "model",
        "id": str(model.name),
        "display_name": str(model.name),
        "created_at": model.modified_at,
        "lifecycle": _ACTIVE,
        "max_input_tokens": context,
        "max_tokens": context,
        "capabilities": _capabilities(facts.capabilities),
    }


def _capabilities(known: Sequence[str]) -> dict[str, Any]:
    thinks = _supported(value="thinking" in known)
    yes, no = _supported(value=True), _supported(value=False)
    levels = dict.fromkeys(("low", "medium", "high", "xhigh", "max"), thinks)
    return {
        "batch": no,
        "citations": no,
        "code_execution": no,
        "context_management": no,
        "effort": thinks | levels,
        "image_input": _supported(value="vision" in known),
        "pdf_input": no,
        "server_tools": no | {"code_execution": no, "web_search": no},
        "structured_outputs": _supported(value="completion" in known),
        "thinking": thinks | {"types": {"enabled": thinks, "adaptive": thinks, "disabled": yes, "between_tools": yes}},
    }


def _supported(*, value: bool) -> dict[str, Any]:
    return {"supported": value}


def _place(ids: Sequence[str], wanted: str, field: str) -> int:
    if wanted not in ids:
        raise BadRequestError(f'{field} "{wanted[:100]}" is none of the models')
    return ids.index(wanted)


def _nothing() -> Response:
    raise HTTPException(404)
