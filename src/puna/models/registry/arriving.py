"""What comes of a range, gathered so that it is written in large pieces."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from puna.models.atomic import WHOLE

if TYPE_CHECKING:
    import aiohttp

MOST_SECONDS = 0.5
"""How long what has come may wait for more: so much is lost if the process is killed."""


async def arriving(stream: aiohttp.StreamReader, position: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes that belong at ``position`` up to ``end``, as far as they come before the stream's end.

    Pieces end at multiples of ``WHOLE``, or with what has come in half a second. What has come before the stream breaks
    is yielded before its error is raised.
    """
    gathered = bytearray()
    since = time.monotonic()
    try:
        while position + len(gathered) < end and (data := await stream.readany()):
            gathered += memoryview(data)[: end - position - len(gathered)]
            now = time.monotonic()
            while size := _writable(position, len(gathered), waited=now - since):
                with memoryview(gathered) as view:
                    piece = bytes(view[:size])
                yield piece
                del gathered[:size]
                position, since = position + size, now
    except Exception:
        if gathered:
            yield bytes(gathered)
        raise
    if gathered:
        yield bytes(gathered)


def _writable(position: int, gathered: int, *, waited: float) -> int:
    """Return how many of the gathered bytes are to be written now."""
    room = WHOLE - position % WHOLE
    if gathered >= room:
        return room
    return gathered if waited >= MOST_SECONDS else 0
