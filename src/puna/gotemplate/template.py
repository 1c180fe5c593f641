"""A parsed template, ready to be rendered many times and from several threads."""

from collections.abc import Mapping
from typing import Any

from puna.gotemplate.compiler import compiled, execute
from puna.gotemplate.errors import TemplateLimitError, TemplateSyntaxError
from puna.gotemplate.functions import BUILTINS, Builtin
from puna.gotemplate.nodes import Tree
from puna.gotemplate.parser import parse
from puna.gotemplate.runtime import Limits, Runtime

_NO_FUNCTIONS: Mapping[str, Builtin] = {}


class Template:
    """A text in Go's template language. ``trees`` is its parse, by the name of each template in it."""

    def __init__(
        self,
        name: str,
        text: str,
        trees: Mapping[str, Tree],
        functions: Mapping[str, Builtin] = _NO_FUNCTIONS,
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self.text = text
        self.trees = trees
        self._limits = limits or Limits()
        self._programs = compiled(name, text, trees, {**BUILTINS, **functions})

    @classmethod
    def parse(
        cls,
        text: str,
        name: str = "",
        functions: Mapping[str, Builtin] = _NO_FUNCTIONS,
        limits: Limits | None = None,
    ) -> "Template":
        """Parses ``text``; ``functions`` are known beside Go's own. Raises :class:`TemplateSyntaxError`."""
        try:
            return cls(name, text, parse(name, text, {**BUILTINS, **functions}), functions, limits)
        except RecursionError as error:
            raise TemplateSyntaxError(name, 1, "template is nested too deeply") from error

    def render(self, data: Any) -> str:
        """The output for ``data``. Raises :class:`TemplateExecutionError`, or its kin for a limit."""
        runtime = Runtime(self._limits, self._programs)
        try:
            execute(self._programs[self.name], runtime, data)
        except RecursionError as error:
            raise TemplateLimitError("template is nested too deeply") from error
        return runtime.result()
