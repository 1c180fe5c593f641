"""Calls that are written as in Python: ``name(key="value", other=[1, 2])``."""

import math
import re
from collections.abc import Iterator
from typing import Any

from puna.inference.output.calls import written_json

_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None, "nil": None}
_NAME = re.compile(r"\s*+,?\s*+([^\s(),][^()]*)\(")
_KEY = re.compile(r"[\s,]*+([^=,]+)=\s*")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ESCAPES = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": "", "\\": "\\", "'": "'", '"': '"'}
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


class NotACallError(ValueError):
    """The text is no call."""


def read_calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls in a text, which may stand in brackets; raise ``NotACallError``."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].removesuffix("]")
    calls, position = [], 0
    while position < len(text) and text[position:].strip(" ,\n\t\r"):
        match = _NAME.match(text, position)
        if not match:
            raise NotACallError(text)
        end = _end(text, match.end(), ")")
        try:
            calls.append((match[1].rstrip(), _arguments(text[match.end() : end])))
        except RecursionError:
            raise NotACallError(text) from None
        position = end + 1
    if not calls:
        raise NotACallError(text)
    return calls


def _arguments(text: str) -> dict[str, Any]:
    arguments, position = {}, 0
    while position < len(text) and text[position:].strip(" ,\n\t\r"):
        match = _KEY.match(text, position)
        if not match:
            raise NotACallError(text)
        end = _end(text, match.end(), ",", optional=True)
        arguments[match[1].rstrip()] = _value(text[match.end() : end])
        position = end + 1
    return arguments


def _end(text: str, start: int, closing: str, *, optional: bool = False) -> int:
    """Return where ``closing`` stands that is in no text and no brackets; the end of all if it is ``optional``."""
    expected, position = [closing], start
    while position < len(text):
        char = text[position]
        if char in "\"'":
            position = _string_end(text, position)
        elif char in _CLOSING:
            expected.append(_CLOSING[char])
        elif char == expected[-1]:
            expected.pop()
            if not expected:
                return position
        position += 1
    if optional and len(expected) == 1:
        return len(text)
    raise NotACallError(text)


def _string_end(text: str, start: int) -> int:
    """Return where the text that begins at a quotation mark has its end."""
    position = start + 1
    while position < len(text) and text[position] != text[start]:
        position += 2 if text[position] == "\\" else 1
    if position >= len(text):
        raise NotACallError(text)
    return position


def _value(text: str) -> Any:
    text = text.strip()
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return _number(text)
    if text[:1] in ("'", '"'):
        if _string_end(text, 0) != len(text) - 1:
            raise NotACallError(text)
        return _unescaped(text[1:-1])
    if text[:1] in ("[", "{"):
        try:
            return written_json(text, strict=True)
        except ValueError:
            return _list(text) if text[0] == "[" else _object(text)
    return text


def _number(text: str) -> int | float | str:
    """Return a number, as text if it is too large to be one in JSON."""
    try:
        number = int(text) if _INTEGER.fullmatch(text) else float(text)
    except ValueError:  # more digits than Python reads
        return text
    return number if math.isfinite(number) else text


def _unescaped(text: str) -> str:
    """Return what a text says; what is no escape, as in the pattern "\\d+", stays as it is."""
    said = _ESCAPES.sub(_escaped, text)
    return said.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _escaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[0])


def _list(text: str) -> list[Any]:
    return [_value(part) for part in _parts(text[1:-1])]


def _object(text: str) -> dict[str, Any]:
    items = {}
    for part in _parts(text[1:-1]):
        end = _end(part, 0, ":", optional=True)
        items[str(_value(part[:end]))] = _value(part[end + 1 :])
    return items


def _parts(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        end = _end(text, position, ",", optional=True)
        if part := text[position:end].strip():
            yield part
        position = end + 1
