"""functionary 3.2: parts of an answer, each with a line before it that says for whom it is: all, or a function.

GLM-4 has one part, without a line if it is for all.
"""

from puna.inference.families.parsing import Asked, StateParser
from puna.inference.format.arguments import Writing
from puna.inference.format.calls import ARGUMENTS, FIRST, NAME, CallShape
from puna.inference.output.calls import written_object

_PART, _ALL = ">>>", "all"
CALLS = CallShape(
    f"{FIRST}{NAME}\n{ARGUMENTS}",
    Writing(),
    between=_PART,
    others=(f"{_PART}{NAME}\n{ARGUMENTS}",),
    marked_by_name=True,
    around="",
)
"""The prompt ends with what begins the first part."""
GLM4_CALLS = CallShape(
    f"{FIRST}{NAME}\n{ARGUMENTS}", between=None, others=(f"{FIRST}\n{NAME}\n{ARGUMENTS}",), marked_by_name=True
)


class _Parser(StateParser):
    """Knows the lines of the functions there are; all else is text."""

    def __init__(self, asked: Asked, *, several: bool) -> None:
        super().__init__(self._content if asked.prefill else self._first)
        self._lines = {f"{name}\n": name for name in ([_ALL] if several else []) + list(asked.tools)}
        self._marks = [_PART + line for line in self._lines] if several else []
        self._mark = self._name = ""

    def _first(self) -> bool:
        text = self._text.lstrip()
        mark = next((line for line in self._lines if text.startswith(line)), "")
        if not mark and not self._ended and any(line.startswith(text) for line in self._lines):
            return False
        self._text = text[len(mark) :] if mark else self._text
        return self._part(mark, mark)

    def _content(self) -> bool:
        mark = self._up_to(self._marks, trim=bool(self._marks), trim_end=False)
        return bool(mark) and self._part(self._trimmed + mark, mark.removeprefix(_PART))

    def _part(self, mark: str, line: str) -> bool:
        if not line or self._lines[line] == _ALL:
            return self._go(self._content)
        self._mark, self._name = mark, self._lines[line]
        return self._go_to_object(self._arguments)

    def _arguments(self) -> bool:
        text = self._text.lstrip()
        if text[:1] != "{":
            if not text and not self._ended:
                return False
            self._keep(self._mark)
            return self._go(self._content)
        self._text = text
        end = self._object_end()
        if end is None and not self._ended:
            return False
        raw, self._text = text[:end], text[end:] if end else ""
        arguments = written_object(raw)
        if arguments is None:
            self._keep(self._mark + raw)
        else:
            self._call(self._name, arguments)
        return self._then_space(self._content)


def parser(asked: Asked) -> StateParser:
    """Return a parser of its answers."""
    return _Parser(asked, several=True)


def glm4_parser(asked: Asked) -> StateParser:
    """Return a parser of GLM-4's answers."""
    return _Parser(asked, several=False)
