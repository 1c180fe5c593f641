"""``/v1/models``, ``/v1/models/{model}``."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import ANY
from puna.api.access.scopes import needs
from puna.api.facts import FACTS, Facts, facts_of
from puna.api.http.responses import json_response
from puna.api.model_shapes import SHAPES, Entry, Shape
from puna.api.openai.codex import QUERY, codex_model
from puna.api.services import ServicesDep
from puna.errors import PunaError
from puna.models.adapters import adapted_names
from puna.models.listing import Listing
from puna.models.model import Model
from puna.names import ModelName

router = APIRouter()
_log = logging.getLogger(__name__)


class _OpenAI:
    def one(self, entry: Entry) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": entry.id,
            "object": "model",
            "created": int(entry.model.modified_at.timestamp()),
            "owned_by": entry.model.name.namespace,
        }
        facts = entry.facts
        lengths = {"context_length": facts.context_length, "embedding_length": facts.embedding_length}
        return body | {name: length for name, length in lengths.items() if length} | _capabilities(facts)

    def all(self, entries: Sequence[Entry], request: Request) -> dict[str, Any]:  # noqa: ARG002 - a shape has pages
        return {"object": "list", "data": [self.one(entry) for entry in entries]}


_OPENAI = _OpenAI()


def _shape(request: Request) -> Shape:
    return next((shape for header, shape in SHAPES.items() if header in request.headers), _OPENAI)


@router.get("/models", tags=["openai"])
@needs(ANY)
async def models_route(request: Request, services: ServicesDep) -> Response:
    """List the models on disk."""
    listing = await asyncio.to_thread(services.models)
    for name, reason in listing.broken:
        _log.warning("model %s is left out of the list: %s", name, reason)
    usual = services.settings.context_length
    entries = await asyncio.to_thread(lambda: _entries(listing, services.aliases(), usual))
    told = _shape(request).all(entries, request)
    if QUERY in request.query_params:
        told |= {"models": [codex_model(entry, place) for place, entry in enumerate(entries)]}
    return json_response(told)


@router.get("/models/{model:path}", tags=["openai"])
@needs(ANY)
async def model_route(request: Request, model: str, services: ServicesDep) -> Response:
    """Describe a model; without a name behind the slash, list all."""
    if not model:
        return await models_route(request, services)
    found = await asyncio.to_thread(services.model, model)
    entry = Entry(model, found, await asyncio.to_thread(_facts, found), services.settings.context_length)
    return json_response(_shape(request).one(entry))


def _entries(listing: Listing, aliases: Sequence[tuple[ModelName, Model]], usual: int) -> list[Entry]:
    """Return the models of a list, each followed by itself with one adapter, then the aliases.

    What their files do not say is left out.
    """
    facts = FACTS.of(listing.models)
    names = [(name, model) for model in listing.models for name in (model.name, *adapted_names(model))]
    named = [*names, *aliases]
    return [Entry(str(name), model, facts.get(model.digest, Facts()), usual) for name, model in named]


def _facts(model: Model) -> Facts:
    try:
        return facts_of(model)
    except (PunaError, OSError):
        return Facts()


def _capabilities(facts: Facts) -> dict[str, Any]:
    return {"capabilities": list(facts.capabilities)} if facts.capabilities else {}
