"""Stop strings. The engine leaves them in the text."""

from collections.abc import Iterable

from puna.inference.output.events import ContentText, OutputEvent, overlap


class StopParser:
    """Ends the text before the stop string that is complete first; nothing of it leaks.

    ``matched`` is that string once it was seen; all later text is dropped.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.matched: str | None = None

    def feed(self, text: str) -> list[OutputEvent]:
        if self.matched is not None:
            return []
        text = self._held + text
        found = [(text.find(stop) + len(stop), text.find(stop), stop) for stop in self._stops if stop in text]
        if found:
            _, start, self.matched = min(found)
            self._held = ""
            return _content(text[:start])
        keep = max((overlap(text, stop) for stop in self._stops), default=0)
        cut = len(text) - keep
        self._held = text[cut:]
        return _content(text[:cut])

    def finish(self) -> list[OutputEvent]:
        held, self._held = self._held, ""
        return _content(held)


def text_of(events: Iterable[OutputEvent]) -> str:
    """The text of content events."""
    return "".join(event.text for event in events if isinstance(event, ContentText))


def _content(text: str) -> list[OutputEvent]:
    return [ContentText(text)] if text else []
