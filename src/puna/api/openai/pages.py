"""Lists of files and batches, a page at a time, as the official clients turn the pages."""

from collections.abc import Mapping, Sequence
from typing import Any

from puna.errors import BadRequestError


def page_of(objects: Sequence[Mapping[str, Any]], after: str, limit: int, most: int) -> dict[str, Any]:
    """Return the page of at most ``limit`` objects behind the one with the id ``after``, "" for the first page."""
    if not 1 <= limit <= most:
        raise BadRequestError(f"limit must be between 1 and {most}", param="limit")
    begin = 0
    if after:
        places = [place for place, one in enumerate(objects) if one["id"] == after]
        if not places:
            raise BadRequestError(f"after: there is no {after[:100]!r} in the list", param="after")
        begin = places[0] + 1
    shown = objects[begin : begin + limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(objects) > begin + limit,
    }
