"""How an answer goes out, in whatever dialect: its status before its first piece, then a stream or one object."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from puna.api.http.responses import SILENCE, Stream, json_response, stream_response, until_gone
from puna.inference.answer import Answer, whole
from puna.inference.events import Event


class Encoder(Stream, Protocol):
    """Makes one dialect's bytes of the events of one answer."""

    def whole(self, answers: Sequence[Answer]) -> Mapping[str, Any]:
        """Return the one object of an answer that is not streamed, of all its choices."""
        ...


async def answer(
    request: Request,
    events: AsyncGenerator[list[Event], None],
    encoder: Encoder,
    *,
    stream: bool,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response that ``events`` make. What fails before the first piece of an answer has a status of its own.

    A stream in which the client can be told to wait begins after ``SILENCE`` in any case. A client that goes away
    closes ``events``, and so ends the generation.
    """
    if not stream:
        return json_response(encoder.whole(await until_gone(request, whole(events))), headers=headers)
    begin = asyncio.ensure_future(_beginning(events))
    try:
        can_wait = bool(encoder.still())
        await until_gone(request, asyncio.wait({begin}, timeout=SILENCE if can_wait else None))
        if begin.done():
            begin.result()
    except BaseException:
        begin.cancel()
        await asyncio.gather(begin, return_exceptions=True)
        await events.aclose()
        raise
    return stream_response(request, begin, events, encoder, headers)


async def _beginning(events: AsyncGenerator[list[Event], None]) -> list[list[Event]]:
    return [await anext(events), await anext(events)]
