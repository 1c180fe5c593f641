"""What parsers of answers share: a machine of states over text that arrives in pieces, and the values of arguments.

How each family marks thoughts and calls is known from Ollama's ``model/parsers``; what they find is compared with it.
Other than there, nothing depends on how the text was cut, and a call that cannot be read stays as text.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from puna.inference.format.typed import property_schema, schema_types, typed_value
from puna.inference.output.calls import ObjectScanner, arguments_of, written_values
from puna.inference.output.events import ContentText, OutputEvent, ThinkingText, ToolCallParsed, overlap

_log = logging.getLogger(__name__)
__all__ = ["Asked", "StateParser", "TagParser", "json_calls", "typed_value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a parser knows of the request: the functions' parameters by name, whether to think, how the answer begins.

    ``prefill`` is what the conversation ends with if that is the beginning of the answer; ``after_result`` tells that
    it ends with a function's result.
    """

    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    think: bool | str | None = None
    prefill: str = ""
    prefill_thinking: str = ""
    after_result: bool = False

    def thinks(self, default: bool = False) -> bool:
        """Return whether the answer begins with thoughts as far as the request says; a level is a yes."""
        return default if self.think is None else bool(self.think)

    def types_of(self, function: str, parameter: str) -> list[str]:
        """Return the types that a parameter may have, [] if nothing is known of it."""
        parameters = self.tools.get(function, {})
        return schema_types(parameters, property_schema(parameters, parameter))


class StateParser:
    """An ``OutputParser`` whose state is a method; it returns whether there may be more to do with the text at hand."""

    keeps_half_marks = False
    """Whether thoughts that are cut off keep the beginning of a mark at their end."""

    def __init__(self, start: Callable[[], bool]) -> None:
        self._text = ""
        self._ended = False
        self._trimmed = ""  # what was left out before the last mark
        self._events: list[OutputEvent] = []
        self._state = start
        self._scanner, self._scanned = ObjectScanner(), 0

    def feed(self, text: str) -> list[OutputEvent]:
        self._text += text
        return self._run()

    def finish(self) -> list[OutputEvent]:
        self._ended = True
        return self._run()

    def _run(self) -> list[OutputEvent]:
        while self._state():
            pass
        events, self._events = self._events, []
        return events

    def _go(self, state: Callable[[], bool]) -> bool:
        self._state = state
        return True

    def _go_to_object(self, state: Callable[[], bool]) -> bool:
        """Go on with a state that asks ``_object_end``."""
        self._scanner, self._scanned = ObjectScanner(), 0
        return self._go(state)

    def _object_end(self) -> int | None:
        """Return where the object ends that the text begins with, ``None`` before that.

        Only what is new is looked at: arguments may hold a whole file, and come in thousands of pieces.
        """
        end = self._scanner.end(self._text[self._scanned :])
        at = None if end is None else self._scanned + end
        self._scanned = len(self._text)
        return at

    def _say(self, text: str, kind: type[ContentText | ThinkingText] = ContentText) -> None:
        if text:
            last = self._events[-1] if self._events else None
            if isinstance(last, ContentText | ThinkingText) and type(last) is kind:
                self._events[-1] = kind(last.text + text)
            else:
                self._events.append(kind(text))

    def _call(self, name: str, arguments: Mapping[str, Any]) -> None:
        text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
        # A lone half of a surrogate pair, which JSON can spell, has no UTF-8.
        said = (part.encode("utf-8", "replace").decode() for part in (name, text))
        self._events.append(ToolCallParsed(*said))

    def _keep(self, text: str) -> None:
        """Keep a call that cannot be read as text."""
        _log.warning("a call of %d characters cannot be read and stays as text", len(text))
        self._say(text)

    def _then_space(self, following: Callable[[], bool]) -> bool:
        """Leave out white space, and go on with another state at the first text after it."""

        def skip() -> bool:
            self._text = self._text.lstrip()
            return bool(self._text) and self._go(following)

        return self._go(skip)

    def _up_to(
        self,
        marks: Sequence[str],
        kind: type[ContentText | ThinkingText] = ContentText,
        *,
        trim: bool = True,
        trim_end: bool | None = None,
    ) -> str:
        """Report the text up to the first of some marks and return that, "" if it has not come yet.

        With ``trim`` white space before it is left out, and (unless ``trim_end`` says otherwise) at the end of all.
        """
        found = min(((at, mark) for mark in marks if (at := self._text.find(mark)) >= 0), default=None)
        if found:
            at, mark = found
            before, self._text = self._text[:at], self._text[at + len(mark) :]
            said = before.rstrip() if trim else before
            self._say(said, kind)
            self._trimmed = before[len(said) :]
            return mark
        # At the end of thoughts the beginning of the tag that ends them says nothing; in an answer nothing is lost.
        drops = self._ended and kind is ThinkingText and not self.keeps_half_marks
        held = 0 if self._ended and not drops else max((overlap(self._text, mark) for mark in marks), default=0)
        sure = self._text[: len(self._text) - held]
        if trim and not (self._ended and trim_end is False):
            sure = sure.rstrip()
        self._say(sure, kind)
        self._text = "" if self._ended else self._text[len(sure) :]
        return ""


class TagParser(StateParser):
    """Thoughts up to a tag, then text with calls between two tags: what most families do.

    ``read`` returns the calls in what stands between the tags, ``None`` if it is none.
    """

    def __init__(
        self,
        *,
        thinking: bool,
        close: str = "</think>",
        open_tag: str = "",
        must_open: bool = False,
        call: str = "",
        call_end: str = "",
        read: Callable[[str], Sequence[tuple[str, Mapping[str, Any]]] | None] = lambda _: None,
        whole: Callable[[str], bool] = lambda _: True,
        call_while_thinking: bool = False,
        trim: bool = True,
        trim_start: bool = True,
        trim_end: bool | None = None,
        skip_after_call: bool = True,
        left_out: Sequence[str] = (),
    ) -> None:
        """``open_tag`` may stand before the thoughts (``must_open``: else there are none).

        Marks in the text that are ``left_out`` say nothing.
        ``whole`` tells whether a call was cut off where an answer ends without the tag behind it.
        """
        super().__init__(self._before_thoughts if thinking else self._content)
        self._close, self._open, self._must_open = close, open_tag, must_open
        self._begin, self._end, self._read, self._whole = call, call_end, read, whole
        self._call_while_thinking = call_while_thinking
        self._within_thoughts = False
        self._trim, self._trim_start, self._trim_end = trim, trim_start, trim_end
        self._skip_after_call = skip_after_call
        self._left_out = left_out

    def _before_thoughts(self) -> bool:
        text = self._text.lstrip()
        if self._open and text.startswith(self._open):
            self._text = text[len(self._open) :]
            return self._then_space(self._thoughts)
        if self._open and self._open.startswith(text) and not self._ended:
            return False
        if not self._must_open:
            return self._go(self._thoughts)
        self._text = text if self._trim_start else self._text
        return self._go(self._content)

    def _thoughts(self) -> bool:
        marks = [self._close, self._begin] if self._call_while_thinking else [self._close]
        mark = self._up_to(marks, ThinkingText)
        if mark == self._close:
            return self._then_space(self._content)
        self._within_thoughts = True
        return bool(mark) and self._go(self._inside)

    def _content(self) -> bool:
        marks = [*filter(None, [self._begin]), *self._left_out]
        mark = self._up_to(marks, trim=self._trim and bool(marks), trim_end=self._trim_end)
        self._within_thoughts = False
        if mark in self._left_out:
            return self._then_space(self._content)
        return bool(mark) and self._go(self._inside)

    def _inside(self) -> bool:
        raw, end, rest = self._text.partition(self._end)
        if not end and not self._ended:
            return False
        calls = [] if not end and not raw.strip() else self._read(raw) if end or self._whole(raw) else None
        thought, closed, after = raw.partition(self._close) if self._within_thoughts else (raw, "", "")
        if closed and (calls is None or self._begin in after):  # thoughts that speak of calls
            self._say(self._trimmed + self._begin + thought.rstrip(), ThinkingText)
            self._text = after + end + rest
            return self._then_space(self._content)
        self._text = rest
        if calls is None:
            self._keep(self._trimmed + self._begin + raw + end)
        for name, arguments in calls or ():
            self._call(name, arguments)
        return self._then_space(self._content) if self._skip_after_call else self._go(self._content)


def json_calls(raw: str) -> list[tuple[str, Mapping[str, Any]]] | None:
    """Return the calls in JSON objects with a name and arguments, one after another or listed; ``None`` if one is none.

    Between two tags belongs one; Ollama fails the whole answer where a model writes more.
    """
    calls: list[tuple[str, Mapping[str, Any]]] = []
    for value in written_values(raw) or ():
        for item in value if isinstance(value, list) else [value]:
            name = item.get("name") if isinstance(item, dict) else None
            if not isinstance(name, str) or not name or (arguments := arguments_of(item)) is None:
                return None
            calls.append((name, arguments))
    return calls or None
