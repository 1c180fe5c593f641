"""A whole answer, put together out of its events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from puna.inference.events import Delta, Event, Finished, Started


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, how it began and how it ended."""

    said: Delta
    started: Started
    end: Finished


async def whole(events: AsyncGenerator[list[Event], None]) -> Answer:
    """Return the answer that ``events`` are; raises what they raise."""
    pieces: list[Delta] = []
    started, end = Started(0), None
    async with aclosing(events):
        async for batch in events:
            for event in batch:
                if isinstance(event, Delta):
                    pieces.append(event)
                elif isinstance(event, Started):
                    started = event
                else:
                    end = event
    if end is None:
        raise ValueError("the events of an answer have no end")
    said = Delta(
        content="".join(piece.content for piece in pieces),
        thinking="".join(piece.thinking for piece in pieces),
        tool_calls=tuple(call for piece in pieces for call in piece.tool_calls),
        logprobs=tuple(entry for piece in pieces for entry in piece.logprobs),
    )
    return Answer(said, started, end)
