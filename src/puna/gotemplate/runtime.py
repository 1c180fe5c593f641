"""What one rendering keeps while it runs, and the bounds that a hostile template meets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from puna.gotemplate.errors import TemplateLimitError

Frame: TypeAlias = list[Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """``steps`` counts nodes and iterations, and the text that functions read and make by its length.

    ``output`` is in characters, for the result and for every text made on the way; ``depth`` counts templates
    that invoke templates.
    """

    steps: int = 2_000_000
    output: int = 16 << 20
    depth: int = 40


class Runtime:
    """The state of one rendering: output, variables of the running template, what is left to spend.

    ``programs`` are the templates that may be invoked, by name, as ``compiler.compiled`` makes them.
    """

    __slots__ = ("_limits", "_out", "_room", "depth", "frame", "programs", "steps")

    def __init__(self, limits: Limits, programs: Mapping[str, Any]) -> None:
        self._limits = limits
        self.programs = programs
        self._out: list[str] = []
        self._room = limits.output
        self.steps = limits.steps
        self.depth = 0
        self.frame: Frame = []

    def write(self, text: str) -> None:
        """Adds to the output."""
        self._room -= len(text)
        if self._room < 0:
            raise TemplateLimitError(f"template output is larger than {self._limits.output} characters")
        self._out.append(text)

    def check_steps(self) -> None:
        """Stops a rendering that has used its steps."""
        if self.steps < 0:
            raise TemplateLimitError(f"template takes more than {self._limits.steps} steps")

    def charge(self, values: list[Any]) -> None:
        """Pays for the texts and lists that a function is about to read."""
        text = items = 0
        for value in values:
            if isinstance(value, str):
                text += len(value)
            elif isinstance(value, list):
                items += len(value)
        if text > self._limits.output:
            raise TemplateLimitError(f"template builds a text larger than {self._limits.output} characters")
        self.steps -= (text >> 6) + (items >> 9)
        self.check_steps()

    def charge_result(self, value: Any) -> None:
        """Pays for a text that a function has made; making it costs more than reading it."""
        if type(value) is str:
            self.steps -= len(value) >> 4
            if self.steps < 0:
                self.check_steps()

    def enter(self) -> None:
        """Counts one more template inside a template."""
        self.depth += 1
        if self.depth > self._limits.depth:
            raise TemplateLimitError(f"exceeded maximum template depth ({self._limits.depth})")

    def result(self) -> str:
        """The output; bytes that form no character become U+FFFD."""
        text = "".join(self._out)
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-8", "surrogatepass" if _has_halves(text) else "surrogateescape").decode(
                "utf-8", "replace"
            )
        return text


def _has_halves(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" and not "\udc80" <= char <= "\udcff" for char in text)
