"""Finds tool calls in the text of an answer by the marker that the model's template puts before them.

After Ollama's ``tools/tools.go``, with three differences: arguments keep the order in which they were
written, text that turns out to be no call is content again, and a call is reported once its JSON object is
complete, inside a list too.
"""

import re
from collections.abc import Collection
from enum import Enum, auto

from puna.inference.output.calls import ObjectScanner, parse_calls
from puna.inference.output.events import ContentText, OutputEvent, overlap

MAX_CALL = 1 << 18
MAX_HEADER = 200
_BARE = ("{", "[")


class _State(Enum):
    START = auto()
    TEXT = auto()
    HEADER = auto()
    OBJECT = auto()
    BETWEEN = auto()
    PLAIN = auto()


def closing_marker(marker: str) -> str:
    """What ends a call that ``marker`` began, such as ``</tool_call>``; empty where nothing does."""
    if match := re.fullmatch(r"<([\w-]+)(?:>|=)", marker):
        return f"</{match[1]}>"
    if match := re.fullmatch(r"\[(\w+)\]", marker):
        return f"[/{match[1]}]"
    return "```" if "```" in marker else ""


class ToolCallParser:
    """Reports calls of the tools in ``names``.

    ``prefix`` is the marker (``tool_call_prefix`` of the template). For ``{`` and ``[`` the answer must begin
    with the JSON of the calls; any other text before it makes the answer plain content.
    """

    def __init__(self, prefix: str, names: Collection[str]) -> None:
        self._marker = "" if prefix in _BARE else prefix
        self._closing = closing_marker(self._marker)
        self._names = frozenset(names)
        self._state = _State.TEXT if self._marker else _State.START
        self._buffer = ""
        self._raw = ""
        self._header = ""
        self._space = ""
        self._closed = False
        self._object: list[str] = []
        self._object_size = 0
        self._scanner = ObjectScanner()

    def feed(self, text: str) -> list[OutputEvent]:
        self._buffer += text
        events: list[OutputEvent] = []
        while self._buffer and self._step(events):
            pass
        return events

    def finish(self) -> list[OutputEvent]:
        events: list[OutputEvent] = []
        if self._state is not _State.BETWEEN:
            # After a call only the start of a marker is ever held, which is no text.
            _content(events, self._pending() + self._buffer)
        self._buffer = ""
        return events

    def _pending(self) -> str:
        """The text of a call that is not complete."""
        if self._state is _State.HEADER:
            return self._raw + self._header
        return self._raw + self._header + "".join(self._object) if self._state is _State.OBJECT else ""

    def _step(self, events: list[OutputEvent]) -> bool:
        """Goes on as far as one state allows; False where more text is needed."""
        match self._state:
            case _State.START:
                return self._start()
            case _State.TEXT:
                return self._text(events)
            case _State.HEADER:
                return self._read_header(events)
            case _State.OBJECT:
                return self._read_object(events)
            case _State.BETWEEN:
                return self._between()
            case _State.PLAIN:
                _content(events, self._buffer)
                self._buffer = ""
                return False

    def _start(self) -> bool:
        first = self._buffer.lstrip()[:1]
        if not first:
            return False
        if first in _BARE:
            self._expect_call("")
        else:
            self._state = _State.PLAIN
        return True

    def _text(self, events: list[OutputEvent]) -> bool:
        before, marker, rest = self._buffer.partition(self._marker)
        if marker:
            _content(events, before)
            self._buffer = rest
            self._expect_call(marker)
            return True
        cut = len(before) - overlap(before, self._marker)
        _content(events, before[:cut])
        self._buffer = before[cut:]
        return False

    def _expect_call(self, raw: str) -> None:
        self._raw, self._header, self._closed = raw, "", False
        self._state = _State.HEADER

    def _read_header(self, events: list[OutputEvent]) -> bool:
        """Reads up to the opening brace; gives up where it does not come soon."""
        text = self._header + self._buffer
        brace = text.find("{")
        closing = text.find(self._closing) if self._closing else -1
        end = brace if closing < 0 else min(brace, closing) if brace >= 0 else closing
        if (end if end >= 0 else len(text)) > MAX_HEADER or (end >= 0 and end != brace):
            _content(events, self._raw)
            self._buffer = text
            self._state = _State.TEXT if self._marker else _State.PLAIN
            return True
        self._header, self._buffer = (text, "") if brace < 0 else (text[:brace], text[brace:])
        if brace >= 0:
            self._state = _State.OBJECT
            self._object, self._object_size, self._scanner = [], 0, ObjectScanner()
        return brace >= 0

    def _read_object(self, events: list[OutputEvent]) -> bool:
        end = self._scanner.end(self._buffer)
        piece = self._buffer[:end]
        self._buffer = "" if end is None else self._buffer[end:]
        self._object.append(piece)
        self._object_size += len(piece)
        if self._object_size > MAX_CALL:
            _content(events, self._pending())
            self._state = _State.PLAIN
        elif end is not None:
            self._complete(events)
        return True

    def _complete(self, events: list[OutputEvent]) -> None:
        calls = parse_calls("".join(self._object), self._header, self._names)
        if not calls:
            _content(events, self._pending())
            self._state = _State.TEXT if self._marker else _State.PLAIN
            return
        events.extend(calls)
        self._space = ""
        self._state = _State.BETWEEN

    def _between(self) -> bool:
        """After a call: another one, the marks that separate calls, or text again."""
        buffer = self._buffer
        for mark in filter(None, (self._marker, self._closing)):
            if buffer.startswith(mark):
                self._buffer = buffer[len(mark) :]
                self._space = ""
                if mark == self._marker:
                    self._expect_call(mark)
                else:
                    self._closed = True
                return True
            if mark.startswith(buffer):
                return False
        return self._separator(buffer[0])

    def _separator(self, char: str) -> bool:
        if char == "{" and not self._closed:
            self._expect_call(self._space)
            return True
        if char.isspace():
            rest = self._buffer.lstrip()
            self._space += self._buffer[: len(self._buffer) - len(rest)]
            self._buffer = rest
            return True
        if char in ",;[]" and not self._closed:
            self._space = ""
        else:
            # Space between calls is dropped; before more text it belongs to the text.
            self._buffer = self._space + self._buffer
            self._state = _State.TEXT if self._marker else _State.PLAIN
            return True
        self._buffer = self._buffer[1:]
        return True


def _content(events: list[OutputEvent], text: str) -> None:
    """Adds content, to the last event where that is content too."""
    if not text:
        return
    if events and isinstance(events[-1], ContentText):
        events[-1] = ContentText(events[-1].text + text)
    else:
        events.append(ContentText(text))
