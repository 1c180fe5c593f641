"""Calls as they were chosen (``tool_choice``) and as their functions want them, where no grammar has seen to it."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from puna.inference.format.errors import FormatError
from puna.inference.format.unique import UniqueItems
from puna.inference.output.events import ContentText, OutputEvent, OutputParser, ParserChain, ToolCallParsed

_log = logging.getLogger(__name__)


class ChosenCalls:
    """Passes on what parsers find, with ``most`` calls of ``functions``: others are text, or left out.

    ``functions`` are parameters by name. Items of arrays in which they must differ are there once.
    """

    def __init__(
        self, parsers: Sequence[OutputParser], functions: Mapping[str, Mapping[str, Any]], most: int | None
    ) -> None:
        self._parsers = ParserChain(*parsers)
        self._functions = functions
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
            elif event.name not in self._functions:
                name = orjson.dumps(event.name).decode()
                passed.append(ContentText(f'{{"name":{name},"arguments":{event.arguments_json}}}'))
            elif self._left == 0:
                _log.warning("a call is left out: there may be no more in one answer")
            else:
                self._left = None if self._left is None else self._left - 1
                passed.append(_without_repeats(event, self._functions[event.name]))
        return passed


def must_differ(parameters: Mapping[str, Any]) -> bool:
    """Return whether parameters may have arrays whose items must differ."""
    return "'uniqueItems': True" in str(parameters)


def _without_repeats(call: ToolCallParsed, parameters: Mapping[str, Any]) -> ToolCallParsed:
    if not must_differ(parameters):
        return call
    try:
        return ToolCallParsed(call.name, UniqueItems({**parameters, "type": "object"}).feed(call.arguments_json))
    except FormatError:  # what cannot be enforced
        return call
