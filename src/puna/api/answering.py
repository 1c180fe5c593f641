"""How an answer goes out, in whatever dialect: its status before its first piece, then a stream or one object."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from puna.api.http.responses import json_response, ndjson_response, until_gone
from puna.inference.answer import Answer, whole
from puna.inference.events import Event


class Encoder(Protocol):
    """Makes one dialect's objects of the events of one answer."""

    def objects(self, batch: list[Event]) -> Sequence[Mapping[str, Any]]:
        """Return the objects of a stream that say what happened; none for what the dialect does not tell."""
        ...

    def whole(self, answer: Answer) -> Mapping[str, Any]:
        """Return the one object of an answer that is not streamed."""
        ...


async def answer(
    request: Request, events: AsyncGenerator[list[Event], None], encoder: Encoder, *, stream: bool
) -> Response:
    """Return the response that ``events`` make. What fails before the first piece of an answer has a status of its own.

    A client that goes away closes ``events``, and so ends the generation.
    """
    if not stream:
        return json_response(encoder.whole(await until_gone(request, whole(events))))
    try:
        first = [await until_gone(request, anext(events)), await until_gone(request, anext(events))]
    except BaseException:
        await events.aclose()
        raise
    return ndjson_response(request, first, events, encoder.objects)
