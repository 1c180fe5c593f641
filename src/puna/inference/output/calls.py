"""One tool call in JSON: where it ends in the text, and what it says."""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import orjson

from puna.inference.output.events import ToolCallParsed

_NAME_KEYS = ("name", "tool_name", "function", "tool")
_ARGUMENT_KEYS = ("arguments", "parameters")
MAX_WRAPPING, MAX_QUOTING = 3, 2
_OUTSIDE = re.compile(r'[{}"]')
_INSIDE = re.compile(r'["\\]')
_GAP = re.compile(r"[\s,]*")


class ObjectScanner:
    """Finds the end of a JSON object that arrives in pieces; braces inside strings do not count."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def end(self, text: str) -> int | None:
        """The offset in ``text``, the next piece, right after the closing brace; None before it."""
        position = 0
        if self._escaped and text:
            self._escaped, position = False, 1
        while match := (_INSIDE if self._in_string else _OUTSIDE).search(text, position):
            position = match.end()
            char = match[0]
            if char == "\\":
                self._escaped = position == len(text)
                position += 1
            elif char == '"':
                self._in_string = not self._in_string
            else:
                self._depth += 1 if char == "{" else -1
                if self._depth == 0:
                    return position
        return None


def parse_calls(text: str, header: str, names: Collection[str]) -> list[ToolCallParsed]:
    """The calls in a JSON object; none where it calls none of ``names``.

    ``header`` is what stood between the marker and the object, where some models put the name.
    """
    try:
        value = written_json(text)
        found = list(_find_calls(value, names, 0))
        if not found and isinstance(value, dict) and (name := name_in(header, names)):
            found = [(name, value)]
        return [ToolCallParsed(name, _dump(arguments)) for name, arguments in found]
    except (ValueError, RecursionError):
        return []


def lenient_object(text: str) -> dict[str, Any] | None:
    """The JSON object in ``text``, raw newlines and halves of surrogate pairs forgiven; None where it is none."""
    value = written_object(text)
    try:
        return None if value is None else orjson.loads(_dump(value))
    except (ValueError, RecursionError):
        return None


def written_object(text: str) -> dict[str, Any] | None:
    """The JSON object in ``text`` to the last digit of its numbers; None where it is none."""
    try:
        value = written_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def arguments_of(call: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments in the object of a call, which some models call parameters; None where they are no object."""
    return arguments_in(next((call[key] for key in _ARGUMENT_KEYS if call.get(key) is not None), None))


def arguments_in(value: Any) -> dict[str, Any] | None:
    """The object that arguments are; None where they are none.

    Models may put it in quotes once more. Nothing at all, null and an empty list say that there are no arguments.
    """
    for _ in range(MAX_QUOTING):
        if isinstance(value, str):
            try:
                value = written_json(value) if value.strip() else None
            except (ValueError, RecursionError):
                return None
    if value is None or value == []:
        return {}
    return value if isinstance(value, dict) else None


def written_values(text: str) -> list[Any] | None:
    """What JSON says that stands one after another, or between commas; None where something else stands there."""
    values: list[Any] = []
    at = 0
    while gap := _GAP.match(text, at):
        if gap.end() == len(text):
            return values
        try:
            value, at = _DECODER.raw_decode(text, gap.end())
        except (ValueError, RecursionError):
            break
        values.append(value)
    return None


def name_in(text: str, names: Collection[str]) -> str | None:
    """The tool that ``text`` names first, as a word of its own."""
    found = [
        (match.start(), name) for name in names if (match := re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text))
    ]
    return min(found)[1] if found else None


def written_json(text: str, *, strict: bool = False) -> Any:
    """Return what JSON says that a model wrote; raise ``ValueError`` or ``RecursionError``.

    NaN, Infinity and numbers that are out of range are no JSON: no client could read a call with one of them.
    """
    # Models write raw newlines into strings; strict JSON would refuse them.
    return json.loads(text, strict=strict, parse_constant=_refuse, parse_float=_finite)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("number out of range")
    return value


_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse, parse_float=_finite)


def _find_calls(value: Any, names: Collection[str], depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Looks for ``{"name": ..., "arguments": {...}}`` in an object and in what wraps it."""
    if depth > MAX_WRAPPING:
        return
    if isinstance(value, list):
        for item in value:
            yield from _find_calls(item, names, depth + 1)
    if not isinstance(value, dict):
        return
    named = (value.get(key) for key in _NAME_KEYS)
    name = next((name for name in named if isinstance(name, str) and name in names), None)
    if name is not None:
        arguments = arguments_of(value)
        if arguments is not None:
            yield name, arguments
        return
    for key, item in value.items():
        if key in names and isinstance(item, dict):
            yield key, item
        elif key not in _ARGUMENT_KEYS:
            yield from _find_calls(item, names, depth + 1)


def _dump(arguments: dict[str, Any]) -> str:
    text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    # A lone half of a surrogate pair, which JSON can spell, has no UTF-8.
    return text.encode("utf-8", "replace").decode()
