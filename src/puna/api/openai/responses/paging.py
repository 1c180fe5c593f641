"""Lists of items, a page at a time, as the official clients turn the pages."""

from collections.abc import Mapping, Sequence
from typing import Any

from puna.api.openai.responses.objects import shown_item
from puna.errors import BadRequestError

_MOST = 100


def page(items: Sequence[Mapping[str, Any]], after: str, limit: int, order: str) -> dict[str, Any]:
    """Return the page of ``limit`` items behind the one with the id ``after``, in order ("asc" or "desc").

    An item that was said more than once is listed once: who turns pages by its id would else never come to an end.
    """
    if order not in ("asc", "desc"):
        raise BadRequestError('order must be "asc" or "desc"')
    if not 1 <= limit <= _MOST:
        raise BadRequestError(f"limit must be between 1 and {_MOST}")
    once = list({item["id"]: item for item in items}.values())
    listed = once if order == "asc" else once[::-1]
    if after:
        places = [place for place, item in enumerate(listed) if item["id"] == after]
        if not places:
            raise BadRequestError(f'after: there is no item "{after[:100]}" in the list')
        listed = listed[places[0] + 1 :]
    shown = [shown_item(item) for item in listed[:limit]]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
        "has_more": len(listed) > limit,
    }
