"""Metadata values as a GGUF file writes them: a type, then the value."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from puna.models.gguf_types import SCALAR_CODES, SCALAR_SIZES, GGUFError, Scalar, ValueType

_U64 = struct.Struct("<Q")
_ARRAY_HEAD = struct.Struct("<IIQ")


@dataclass(frozen=True, slots=True)
class Array:
    """An array to write: the type of its elements, and these."""

    element: ValueType
    items: tuple[Scalar, ...]


def i32s(*items: int) -> Array:
    """Return an array of signed 32-bit integers."""
    return Array(ValueType.INT32, items)


def f32s(*items: float) -> Array:
    """Return an array of 32-bit floats."""
    return Array(ValueType.FLOAT32, items)


def bools(items: Sequence[bool]) -> Array:
    """Return an array of booleans."""
    return Array(ValueType.BOOL, tuple(items))


NewValue = bool | int | float | str | Array
"""A value that a layout gives: integers become UINT32, floats FLOAT32."""


def text(value: str) -> bytes:
    """Return a string with its length before it."""
    raw = value.encode()
    return _U64.pack(len(raw)) + raw


def encode(value: NewValue) -> bytes:
    """Return a value with its type before it."""
    match value:
        case bool():
            return struct.pack("<I?", ValueType.BOOL, value)
        case int():
            return struct.pack("<II", ValueType.UINT32, value)
        case float():
            return struct.pack("<If", ValueType.FLOAT32, value)
        case str():
            return struct.pack("<I", ValueType.STRING) + text(value)
        case Array():
            head = _ARRAY_HEAD.pack(ValueType.ARRAY, value.element, len(value.items))
            return head + struct.pack(f"<{len(value.items)}{SCALAR_CODES[value.element]}", *value.items)


def array_head(raw: bytes) -> tuple[ValueType, int]:
    """Return the type and the number of the elements of an encoded array; raise ``GGUFError`` if it is none."""
    if len(raw) < _ARRAY_HEAD.size:
        raise GGUFError("a value that must be an array is none")
    kind, element, length = _ARRAY_HEAD.unpack_from(raw)
    if kind != ValueType.ARRAY:
        raise GGUFError("a value that must be an array is none")
    return ValueType(element), length


def cut_array(raw: bytes, length: int) -> bytes:
    """Return an encoded array with its first ``length`` elements only."""
    element, had = array_head(raw)
    if had <= length:
        return raw
    end = _ARRAY_HEAD.size
    if element == ValueType.STRING:
        for _ in range(length):  # bytes, not text: tokens may hold half a character
            end += 8 + _U64.unpack_from(raw, end)[0]
    else:
        end += length * SCALAR_SIZES[element]
    return _ARRAY_HEAD.pack(ValueType.ARRAY, element, length) + raw[_ARRAY_HEAD.size : end]
