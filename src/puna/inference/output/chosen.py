"""Calls as they were chosen (``tool_choice``), where nothing else has seen to it."""

import logging
from collections.abc import Collection, Sequence

import orjson

from puna.inference.output.events import ContentText, OutputEvent, OutputParser, ParserChain, ToolCallParsed

_log = logging.getLogger(__name__)


class ChosenCalls:
    """Passes on what parsers find, with ``most`` calls of the functions in ``names``: others are text, or left out."""

    def __init__(self, parsers: Sequence[OutputParser], names: Collection[str], most: int | None) -> None:
        self._parsers = ParserChain(*parsers)
        self._names = names
        self._left = most

    def feed(self, text: str) -> list[OutputEvent]:
        return self._chosen(self._parsers.feed(text))

    def finish(self) -> list[OutputEvent]:
        return self._chosen(self._parsers.finish())

    def _chosen(self, events: Sequence[OutputEvent]) -> list[OutputEvent]:
        passed: list[OutputEvent] = []
        for event in events:
            if not isinstance(event, ToolCallParsed):
                passed.append(event)
            elif event.name not in self._names:
                name = orjson.dumps(event.name).decode()
                passed.append(ContentText(f'{{"name":{name},"arguments":{event.arguments_json}}}'))
            elif self._left == 0:
                _log.warning("a call of %s is left out: there may be no more in one answer", event.name)
            else:
                self._left = None if self._left is None else self._left - 1
                passed.append(event)
        return passed
