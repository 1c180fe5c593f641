"""Thoughts that may have so many tokens: where they have more, the mark that ends them is said for the model.

The engine can do so only where it renders the conversation itself, so for text it takes two generations.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from puna.engine.protocol import Engine
from puna.inference.engine_events import finished
from puna.inference.events import Finished, Reading, Said, Thought
from puna.inference.prepare import Prepared
from puna.inference.think_then_format import extended, merged

_LONGEST_MARK = 32
"""Pieces of an answer that the mark between thoughts and answer may be in."""


async def within_budget(client: Engine, prepared: Prepared) -> AsyncGenerator[list[Said], None]:
    """Yield the events of an answer whose thoughts keep to ``prepared.budget``, as if it were one generation."""
    body = prepared.body | {"timings_per_token": True}
    raw: list[str] = []
    mark = prepared.resume.strip()
    thoughts: Finished | None = None
    thinking = True
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for batch in stream:
            events: list[Said] = []
            for item in batch:
                raw.append(item.get("content", ""))
                said = list(prepared.decode(item))
                events += said
                thinking = thinking and all(isinstance(event, Thought | Reading) for event in said)
                # A call says nothing until it is whole, so that the mark itself has to be looked for.
                thinking = thinking and not (mark and mark in "".join(raw[-_LONGEST_MARK:]))
                timings = item.get("timings", {})
                if thinking and timings.get("predicted_n", 0) >= max(prepared.budget, 1):
                    thoughts = finished("length", timings)
                    break
            yield events
            if thoughts:
                break
    if thoughts is None:
        return
    async for events in _answer(client, prepared, "".join(raw), thoughts):
        yield events


async def _answer(client: Engine, prepared: Prepared, raw: str, thoughts: Finished) -> AsyncGenerator[list[Said], None]:
    yield list(prepared.decode({"content": prepared.resume}))
    body: dict[str, Any] = {**prepared.body, **prepared.after_thoughts, "return_progress": False}
    body["prompt"] = await extended(client, body["prompt"], raw + prepared.resume)
    body["n_predict"] = max(body["n_predict"] - thoughts.generated_tokens, 1)
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for batch in stream:
            yield list(merged([event for item in batch for event in prepared.decode(item)], thoughts))
