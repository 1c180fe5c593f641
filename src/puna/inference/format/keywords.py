"""The keywords of JSON Schema: what their values must be, and which of them assert something that is not enforced.

A keyword that no standard knows asserts nothing, by the standard; so do annotations.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from puna.inference.format.errors import FormatError, UnsupportedKeywordError

Schema = Mapping[str, Any]

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")

NOT_ENFORCED = (
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "unevaluatedItems",
    "$dynamicRef",
    "$recursiveRef",
    "extends",
    "disallow",
    "divisibleBy",
)
"""Keywords of any draft that assert something which grammars of ours do not enforce; the first that occurs is named."""

FAMILIES = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
    ),
    "array": ("items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""The keywords that speak of one type, whose value they bind only if it is of that type."""


def _is_schema(value: Any) -> bool:
    return isinstance(value, (Mapping, bool))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_schema, value))


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_schema, value.values()))


def _is_type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in TYPES for name in names)


_RIGHT: dict[str, Callable[[Any], bool]] = {
    "type": _is_type,
    "enum": lambda value: isinstance(value, list) and bool(value),
    "$ref": lambda value: isinstance(value, str),
    "allOf": _is_schemas,
    "anyOf": _is_schemas,
    "oneOf": _is_schemas,
    "not": _is_schema,
    "properties": _is_table,
    "patternProperties": _is_table,
    "additionalProperties": _is_schema,
    "propertyNames": _is_schema,
    "required": _is_texts,
    "prefixItems": lambda value: value == [] or _is_schemas(value),
    "items": lambda value: _is_schema(value) or value == [] or _is_schemas(value),
    "additionalItems": _is_schema,
    "uniqueItems": lambda value: isinstance(value, bool),
    "pattern": lambda value: isinstance(value, str),
    "format": lambda value: isinstance(value, str),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
}


def check(schema: Schema) -> None:
    """Raise for a keyword whose value means nothing, or that cannot be enforced."""
    for keyword in NOT_ENFORCED:
        if keyword in schema:
            raise UnsupportedKeywordError(keyword)
    for keyword, value in schema.items():
        right = _RIGHT.get(keyword)
        if right and not right(value):
            raise FormatError(f"invalid JSON Schema: {keyword} cannot be {repr(value)[:80]}")
