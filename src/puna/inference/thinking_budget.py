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
    place = _Place(prepared)
    thoughts: Finished | None = None
    thinking = True
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for batch in stream:
            events: list[Said] = []
            for item in batch:
                raw.append(item.get("content", ""))
                place.feed(raw[-1])
                said = list(prepared.decode(item))
                events += said
                thinking = thinking and not place.is_behind and all(isinstance(one, Thought | Reading) for one in said)
                timings = item.get("timings", {})
                if thinking and place.can_end and timings.get("predicted_n", 0) >= max(prepared.budget, 1):
                    thoughts = finished("length", timings)
                    break
            yield events
            if thoughts:
                break
    if thoughts is None:
        return
    async for events in _answer(client, prepared, "".join(raw), thoughts):
        yield events


class _Place:
    """Knows of an answer's text whether it is in its thoughts: a call says nothing until it is whole."""

    def __init__(self, prepared: Prepared) -> None:
        self._end = StopParser([prepared.resume.strip()])
        self._opening, self._begun = prepared.thought.strip(), ""
        self._marks, self._tail = prepared.call_marks, ""
        self._has_none = self._is_in_call = False

    @property
    def is_behind(self) -> bool:
        """Whether the thoughts are over, or there are none."""
        return self._has_none or self._end.matched is not None

    @property
    def can_end(self) -> bool:
        """Whether thoughts can end here: their mark is complete, and there is no call."""
        return len(self._begun) >= len(self._opening) and not self._is_in_call

    def feed(self, text: str) -> None:
        """Take the next piece of the text."""
        self._end.feed(text)
        if len(self._begun) < len(self._opening):
            self._begun = (self._begun + text).lstrip()
            self._has_none = not (self._begun.startswith(self._opening) or self._opening.startswith(self._begun))
        if self._marks:
            text = self._tail + text
            begin, end = (text.rfind(mark) for mark in self._marks)
            self._is_in_call = begin > end or (self._is_in_call and end < 0)
            self._tail = text[-max(map(len, self._marks)) + 1 :]


async def _answer(client: Engine, prepared: Prepared, raw: str, thoughts: Finished) -> AsyncGenerator[list[Said], None]:
    yield list(prepared.decode({"content": prepared.resume}))
    body: dict[str, Any] = {**prepared.body, **prepared.after_thoughts, "return_progress": False}
    body["prompt"] = await extended(client, body["prompt"], raw + prepared.resume)
    body["n_predict"] = max(body["n_predict"] - thoughts.generated_tokens, 1)
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for batch in stream:
            yield list(merged([event for item in batch for event in prepared.decode(item)], thoughts))
