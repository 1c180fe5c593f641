"""Answers that the engine's chat endpoint cannot read: the model is asked once more, for text, and heard from there on.

The engine knows a form for each template and fails an answer that breaks it, with what it had not passed on yet. So the
same is generated again, with the same seed, and read here; what has been said already is left out. So it is where the
engine makes a grammar of what functions take that it cannot read itself, as of a text of 5000 letters at least.
"""

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from puna.engine.errors import UnreadableAnswerError, UnreadGrammarError
from puna.engine.protocol import Engine
from puna.inference.events import CallArguments, CallStarted, Said, Text, Thought
from puna.inference.prepare.call import Decode, Prepared

_log = logging.getLogger(__name__)


async def readable(client: Engine, prepared: Prepared, name: str) -> AsyncGenerator[list[Said], None]:
    """Yield what the model ``name`` says to a call that has an ``as_text``."""
    told: list[Said] = []
    try:
        async with aclosing(client.stream(prepared.route, prepared.body)) as batches:
            async for batch in batches:
                events = [event for item in batch for event in prepared.decode(item)]
                told += events
                yield events
        return
    except UnreadableAnswerError:
        if prepared.as_text is None:
            raise
        _log.warning("what %s answers breaks the form of its template; it is read as text", name)
    except UnreadGrammarError:
        if prepared.as_text is None or "grammar" in prepared.body:
            raise
        _log.warning("the engine cannot read its own grammar of the calls of %s; its answer is read as text", name)
    again = await prepared.as_text()
    rest = _Rest(again.decode, told)
    async with aclosing(client.stream(again.route, again.body)) as batches:
        async for batch in batches:
            yield [event for item in batch for event in rest.decode(item)]


class _Rest:
    """Passes on what comes after what has been heard; where an answer differs from it, all that comes from there."""

    def __init__(self, decode: Decode, told: Iterable[Said]) -> None:
        self._decode = decode
        self._thoughts = self._text = ""
        self._arguments: list[str] = []
        for event in told:
            match event:
                case Text():
                    self._text += event.text
                case Thought():
                    self._thoughts += event.text
                case CallStarted():
                    self._arguments.append("")
                case CallArguments():
                    self._arguments[event.call] += event.text

    def decode(self, event: Mapping[str, Any]) -> list[Said]:
        """Return what one event of the engine says that is new."""
        return [new for said in self._decode(event) if (new := self._new(said)) is not None]

    def _new(self, said: Said) -> Said | None:
        match said:
            case Text():
                rest, self._text = _after(self._text, said.text)
                return said._replace(text=rest) if rest else None
            case Thought():
                rest, self._thoughts = _after(self._thoughts, said.text)
                return said._replace(text=rest) if rest else None
            case CallStarted() if said.call < len(self._arguments):
                return None
            case CallArguments() if said.call < len(self._arguments):
                rest, self._arguments[said.call] = _after(self._arguments[said.call], said.text)
                return said._replace(text=rest) if rest else None
        return said


def _after(heard: str, text: str) -> tuple[str, str]:
    """Return what of a text is new, and what of that which was heard is still to come."""
    same = next((at for at, (old, new) in enumerate(zip(heard, text, strict=False)) if old != new), None)
    if same is not None:
        return text[same:], ""
    return text[len(heard) :], heard[len(text) :]
