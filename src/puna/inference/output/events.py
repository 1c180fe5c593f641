"""What the parsers of an answer's text report, and the shape they share."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class ContentText:
    """A piece of the answer itself; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingText:
    """A piece of the thinking before the answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallParsed:
    """A complete tool call. ``arguments_json`` is an object whose keys are in the order the model wrote."""

    name: str
    arguments_json: str


OutputEvent: TypeAlias = ContentText | ThinkingText | ToolCallParsed


class OutputParser(Protocol):
    """An incremental parser: the events do not depend on how the text was cut into pieces.

    Text that may be the start of a marker is held back until more text, or :meth:`finish`, decides.
    """

    def feed(self, text: str) -> list[OutputEvent]:
        """Takes the next piece of text; answers what is certain by now."""
        ...

    def finish(self) -> list[OutputEvent]:
        """Ends the text; answers what was held back. Call it once."""
        ...


class ParserChain:
    """Parsers in a row: each reads the content that the one before it leaves; other events pass through."""

    def __init__(self, *parsers: OutputParser) -> None:
        self._parsers = parsers

    def feed(self, text: str) -> list[OutputEvent]:
        return self._through(0, [ContentText(text)])

    def finish(self) -> list[OutputEvent]:
        events: list[OutputEvent] = []
        for index, parser in enumerate(self._parsers):
            events += self._through(index + 1, parser.finish())
        return events

    def _through(self, start: int, events: list[OutputEvent]) -> list[OutputEvent]:
        for parser in self._parsers[start:]:
            events = [
                result
                for event in events
                for result in (parser.feed(event.text) if isinstance(event, ContentText) else [event])
            ]
        return events


def overlap(text: str, marker: str) -> int:
    """How many characters at the end of ``text`` may be the start of ``marker``, which is not whole in it."""
    start = max(0, len(text) - len(marker) + 1)
    while (start := text.find(marker[0], start)) >= 0:
        if marker.startswith(text[start:]):
            return len(text) - start
        start += 1
    return 0
