"""Ministral, whose prompts come from a template."""

from puna.inference.families.parsing import Asked, StateParser
from puna.inference.format.calls import ARGUMENTS, NAME, CallShape
from puna.inference.output.calls import written_object
from puna.inference.output.events import ThinkingText

CALLS, THINK, THINK_END, ARGS = "[TOOL_CALLS]", "[THINK]", "[/THINK]", "[ARGS]"
MARKS = (CALLS, THINK, THINK_END, ARGS)
CALL_ID = "[CALL_ID]"
"""What some models write between the name and the arguments, with an id behind it."""


CALL = CallShape(f"{CALLS}{NAME}{ARGS}{ARGUMENTS}", names=r"[^\s\[\]](?:[^\[\]]*[^\s\[\]])?")


class _Parser(StateParser):
    def __init__(self) -> None:
        super().__init__(self._content)
        self._name = ""

    def _content(self) -> bool:
        mark = self._up_to([CALLS, THINK])
        return bool(mark) and self._go(self._function if mark == CALLS else self._thoughts)

    def _thoughts(self) -> bool:
        return bool(self._up_to([THINK_END], ThinkingText, trim=False)) and self._then_space(self._content)

    def _function(self) -> bool:
        name, mark, rest = self._text.partition(ARGS)
        if mark:
            self._name, self._text = name.partition(CALL_ID)[0], rest
            return self._go_to_object(self._arguments)
        if self._ended and name:
            self._keep(CALLS + name)
            self._text = ""
        return False

    def _arguments(self) -> bool:
        end = self._object_end()
        if end is None and not self._ended:
            return False
        raw, self._text = self._text[:end], self._text[end:] if end else ""
        arguments = written_object(raw)
        if arguments is None:
            self._keep(f"{CALLS}{self._name}{ARGS}{raw}")
        else:
            self._call(self._name.strip(), arguments)
        return self._go(self._content)


def parser(_: Asked) -> StateParser:
    """Return a parser of its answers."""
    return _Parser()
