"""Go's ``json.Marshal``: compact, with HTML escaped, map keys sorted and struct fields in their order."""

import math
import re
from typing import Any

from puna.gotemplate.errors import FunctionError
from puna.gotemplate.numbers import float_text
from puna.gotemplate.values import NamedMap, Stringer, Struct, sorted_items

MAX_DEPTH = 200
_SPECIAL = re.compile('[\\x00-\\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


class JsonMap(NamedMap, Stringer):
    """A JSON object that keeps its keys in the order they were written, and prints as JSON."""

    def go_string(self) -> str:
        return marshal(self)


class JsonStruct(Struct, Stringer):
    """A struct that prints as JSON. ``document`` is what it marshals to, keys in struct order."""

    __slots__ = ("document",)

    def __init__(self, document: JsonMap, **fields: Any) -> None:
        super().__init__(**fields)
        self.document = document

    def go_string(self) -> str:
        return marshal(self.document)


def marshal(value: Any) -> str:
    """``value`` as Go's ``encoding/json`` writes it. FunctionError for what JSON cannot hold."""
    parts: list[str] = []
    _write(value, parts.append, 0)
    return "".join(parts)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if "\ud800" <= char <= "\udfff":
        return "\\ufffd"
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def quote_json(text: str) -> str:
    """A JSON string by Go's rules of escaping."""
    return '"' + _SPECIAL.sub(_escape, text) + '"'


def _number(value: float) -> str:
    """A float in ES6 form, as Go's encoder chooses it."""
    if not math.isfinite(value):
        raise FunctionError(f"json: unsupported value: {float_text(value, 'g', -1)}")
    size = abs(value)
    if size != 0 and (size < 1e-6 or size >= 1e21):
        text = float_text(value, "e", -1)
        return re.sub(r"e-0(\d)$", r"e-\1", text)
    return float_text(value, "f", -1)


def _write(value: Any, emit: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise FunctionError("json: value is nested too deeply")
    if isinstance(value, str):
        emit(quote_json(value))
    elif isinstance(value, bool):
        emit("true" if value else "false")
    elif isinstance(value, int):
        emit(str(int(value)))
    elif isinstance(value, float):
        emit(_number(value))
    elif isinstance(value, list | tuple):
        _write_list(value, emit, depth)
    elif isinstance(value, dict):
        items = list(value.items()) if isinstance(value, JsonMap) else sorted_items(value)
        _write_object(items, emit, depth)
    elif isinstance(value, JsonStruct):
        _write(value.document, emit, depth)
    elif isinstance(value, Struct):
        _write_object(list(value.fields.items()), emit, depth)
    else:
        emit("null")


def _write_list(value: Any, emit: Any, depth: int) -> None:
    emit("[")
    for index, item in enumerate(value):
        if index:
            emit(",")
        _write(item, emit, depth + 1)
    emit("]")


def _write_object(items: list[tuple[str, Any]], emit: Any, depth: int) -> None:
    emit("{")
    for index, (key, item) in enumerate(items):
        if index:
            emit(",")
        emit(quote_json(key))
        emit(":")
        _write(item, emit, depth + 1)
    emit("}")
