"""Thoughts that may have so many tokens: where they have more, the mark that ends them is said for the model.

The engine can do so only where it renders the conversation itself, so for text it takes two generations.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from puna.engine.protocol import Engine
from puna.inference.engine_events import finished
from puna.inference.events import Finished, Reading, Said, Thought
from puna.inference.output.stop import StopParser
from puna.inference.prepare import Prepared
from puna.inference.think_then_format import extended, merged


async def within_budget(client: Engine, prepared: Prepared) -> AsyncGenerator[list[Said], None]:
    """Yield the events of an answer whose thoughts keep to ``prepared.budget``, as if it were one generation."""
    body = prepared.body | {"timings_per_token": True}
    raw: list[str] = []
    mark = StopParser([prepared.resume.strip()])
    thoughts: Finished | None = None
    thinking = True
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for batch in stream:
            events: list[Said] = []
            for item in batch:
                raw.append(item.get("content", ""))
                mark.feed(raw[-1])
                said = list(prepared.decode(item))
                events += said
                # A call says nothing until it is whole, so that the mark itself is looked for too.
                thinking = thinking and mark.matched is None and all(isinstance(one, Thought | Reading) for one in said)
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
