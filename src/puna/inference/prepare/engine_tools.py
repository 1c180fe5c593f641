"""Functions as the engine takes them, which refuses a whole conversation for one keyword that it cannot read.

It makes grammars of the parameters where it renders a template itself. What is wrong in them by any standard, such as
the type ``any``, and what is right but unknown to it, such as a reference to ``#``, binds nothing then.
"""

import logging
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from puna.inference.format.keywords import TYPES

_log = logging.getLogger(__name__)
_COUNTS = range(1 << 31)
_BOUNDS = range(-(1 << 63) + 1, (1 << 63) - 1)
"""The numbers that the engine has room for; the outermost ones mean to it that there is no bound."""
_NOTHING = object()
"""What stands for a keyword that is left out."""
Tool = dict[str, Any]


def readable(tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """Return the functions without what the engine cannot read of their parameters; the log says what that is."""
    return tuple(map(_readable, tools))


def _readable(tool: Tool) -> Tool:
    function = tool["function"]
    parameters = function.get("parameters")
    if not isinstance(parameters, Mapping):
        return tool
    cleaner = _Cleaner(parameters)
    made = cleaner.schema(parameters)
    if cleaner.left_out:
        _tell(", ".join(cleaner.left_out))
    return {**tool, "function": {**function, "parameters": made}} if made != parameters else tool


@lru_cache(maxsize=256)
def _tell(left_out: str) -> None:
    """Say once which keywords the engine is not told of: no more, for the functions are part of the prompt."""
    _log.warning("the parameters of a function have what the engine cannot read, and is not told: %s", left_out)


class _Cleaner:
    """Leaves out of the schema ``root`` what the engine cannot read; ``left_out`` names it."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self.left_out: dict[str, None] = {}

    def schema(self, value: Any) -> dict[str, Any]:
        """Return a schema, or one that allows anything for what is none."""
        if not isinstance(value, Mapping):
            return {}
        made = {}
        for keyword, said in value.items():
            read = _READ.get(keyword)
            kept = read(self, said) if read else said
            if kept is not _NOTHING:
                made[keyword] = kept
            else:
                self.left_out[keyword] = None
        return made

    def schemas(self, value: Any) -> Any:
        """Return schemas of which each, or any, has to hold."""
        return [self.schema(one) for one in value] if isinstance(value, list) and value else _NOTHING

    def table(self, value: Any) -> Any:
        """Return schemas by name."""
        if not isinstance(value, Mapping):
            return _NOTHING
        return {name: self.schema(one) for name, one in value.items()}

    def further(self, value: Any) -> Any:
        """Return what ``additionalProperties`` says."""
        return value if isinstance(value, bool) else self.items(value)

    def items(self, value: Any) -> Any:
        """Return the schema of all items, or those of the first ones."""
        if isinstance(value, list):
            return [self.schema(one) for one in value]
        return self.schema(value) if isinstance(value, Mapping) else _NOTHING

    def reference(self, value: Any) -> Any:
        """Return a reference that leads to a schema, by a way of which the engine knows each step as it is written."""
        if not isinstance(value, str) or not value.startswith("#/"):
            return _NOTHING
        steps = value.split("/")[1:]
        found: Any = self._root
        for step in steps:
            if isinstance(found, list):
                found = found[int(step)] if step.isdecimal() and len(step) < 6 and int(step) < len(found) else None
            else:
                found = found.get(step) if isinstance(found, Mapping) else None
        return value if steps[0] in _READ and isinstance(found, Mapping) else _NOTHING


def _type(_cleaner: _Cleaner, value: Any) -> Any:
    if not isinstance(value, list):
        return value if value in TYPES else _NOTHING
    return value if value and all(one in TYPES for one in value) else _NOTHING


def _values(_cleaner: _Cleaner, value: Any) -> Any:
    return value if isinstance(value, list) and value else _NOTHING


def _text(_cleaner: _Cleaner, value: Any) -> Any:
    return value if isinstance(value, str) else _NOTHING


def _count(_cleaner: _Cleaner, value: Any) -> Any:
    return value if _is_number(value) and isinstance(value, int) and value in _COUNTS else _NOTHING


def _bound(_cleaner: _Cleaner, value: Any) -> Any:
    return value if _is_number(value) and int(value) in _BOUNDS else _NOTHING


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_READ: Mapping[str, Callable[[_Cleaner, Any], Any]] = {
    "type": _type,
    "enum": _values,
    "$ref": _Cleaner.reference,
    **dict.fromkeys(("anyOf", "oneOf", "allOf"), _Cleaner.schemas),
    **dict.fromkeys(("properties", "$defs", "definitions"), _Cleaner.table),
    "additionalProperties": _Cleaner.further,
    **dict.fromkeys(("items", "prefixItems"), _Cleaner.items),
    **dict.fromkeys(("pattern", "format"), _text),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _count),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _bound),
}
"""The keywords that the engine reads, each with what returns what it can read of a value."""
