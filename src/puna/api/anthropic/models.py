"""Models in Anthropic's shape."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from puna.api.model_shapes import Entry
from puna.errors import BadRequestError
from puna.outside import whole_number

_PAGE, _LARGEST_PAGE = 20, 1000
_ACTIVE = "active"


class AnthropicModels:
    """How models are told of to clients that send ``anthropic-version``, on the path that OpenAI's have as well."""

    def one(self, entry: Entry) -> dict[str, Any]:
        """Return what the dialect says of a model (``ModelInfo`` of its package)."""
        return {
            "type": "model",
            "id": entry.id,
            "display_name": entry.id,
            "created_at": entry.model.modified_at,
            "lifecycle": _ACTIVE,
            "max_input_tokens": entry.context,
            "max_tokens": entry.context,
            "capabilities": _capabilities(entry.facts.capabilities),
        }

    def all(self, entries: Sequence[Entry], request: Request) -> dict[str, Any]:
        """Return the page of the list that a request asks for."""
        query = request.query_params
        wanted = query.getlist("lifecycle") or query.getlist("lifecycle[]")
        return page([self.one(entry) for entry in entries if not wanted or _ACTIVE in wanted], query)


def page(entries: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page of a list, by ``limit`` and the id that it comes after, or before."""
    size, ids = whole_number(query.get("limit", str(_PAGE))), [entry["id"] for entry in entries]
    if size is None or not 1 <= size <= _LARGEST_PAGE:
        raise BadRequestError(f"limit must be between 1 and {_LARGEST_PAGE}")
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


def _capabilities(known: Sequence[str]) -> dict[str, Any]:
    thinks = _supported(value="thinking" in known)
    yes, no = _supported(value=True), _supported(value=False)
    levels = dict.fromkeys(("low", "medium", "high", "xhigh", "max"), thinks)
    return {
        "batch": yes,
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
