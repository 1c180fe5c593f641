"""Arguments that are written as plain text between tags: which types they may have, and what they are read as.

The grammar of a call and the parser of it both go by this.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from puna.inference.output.calls import written_json

_INTEGERS = range(-(1 << 63), 1 << 63)
_DEEPEST = 8
_MOST_LOOKED = 500
"""Schemas that are looked at for one value: where n lead back to the first, there are n to the fifth ways."""
_NAMES: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def property_schema(parameters: Mapping[str, Any], name: str) -> Any:
    """Return what a function's parameters say of one of them, ``None`` if nothing."""
    properties = parameters.get("properties")
    if isinstance(properties, Mapping) and name in properties:
        return properties[name]
    return parameters.get("additionalProperties")


def schema_types(root: Mapping[str, Any], schema: Any) -> list[str]:
    """Return the types that a value may have, [] if nothing is known of it; references lead into ``root``."""
    return _types(root, schema, 0, count())


def _types(root: Mapping[str, Any], schema: Any, depth: int, looked: Iterator[int]) -> list[str]:
    if not isinstance(schema, Mapping) or depth > _DEEPEST or next(looked) >= _MOST_LOOKED:
        return []
    branches = next((found for key in ("anyOf", "oneOf") if isinstance(found := schema.get(key), list) and found), None)
    if branches:
        return [kind for one in branches for kind in _types(root, one, depth + 1, looked)]
    kind = schema.get("type")
    if kind:
        return [kind] if isinstance(kind, str) else [one for one in kind if isinstance(one, str)]
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(listed, list):
        return list(dict.fromkeys(_NAMES[type(value)] for value in listed if type(value) in _NAMES))
    inner = schema["allOf"] if isinstance(schema.get("allOf"), list) else []
    if isinstance(schema.get("$ref"), str):
        inner = [_referred(root, schema["$ref"]), *inner]
    return next((types for one in inner if (types := _types(root, one, depth + 1, looked))), [])


def inner_schemas(root: Mapping[str, Any], schemas: Iterable[Any], name: str | None) -> tuple[Any, ...]:
    """Return what schemas, any of which may hold, say of a property, or of items (``None``); each is told once."""
    found: dict[int, Any] = {}
    for schema in schemas:
        for one in _ways(root, schema, 0, count()):
            if name is None:
                first = one.get("prefixItems")
                inner = [*(first if isinstance(first, list) else []), one.get("items")]
            else:
                inner = [property_schema(one, name)]
            found |= {id(said): said for said in inner if isinstance(said, Mapping)}
    return tuple(found.values())


def _ways(root: Mapping[str, Any], schema: Any, depth: int, looked: Iterator[int]) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and those that it leads to, with what each says of the same value."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST or next(looked) >= _MOST_LOOKED:
        return
    yield schema
    inner = [one for key in ("anyOf", "oneOf", "allOf") if isinstance(found := schema.get(key), list) for one in found]
    if isinstance(schema.get("$ref"), str):
        inner.append(_referred(root, schema["$ref"]))
    for one in inner:
        yield from _ways(root, one, depth + 1, looked)


def _referred(root: Mapping[str, Any], reference: str) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def typed_value(raw: str, types: Sequence[str]) -> Any:
    """Return an argument that was written as text as a value of one of the types; as text if it is none of them."""
    if raw.lower() == "null":
        return None
    for kind in ("boolean", "integer", "number", "array", "object"):
        if kind in types:
            value = _read_as(kind, raw)
            if value is not None:
                return value
            if len(types) == 1:
                return False if kind == "boolean" else raw
    return raw


def kind_of(value: Any) -> str:
    """Return the type of a value."""
    return _NAMES[type(value)]


def _read_as(kind: str, raw: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(raw.lower())
    try:
        if kind == "integer":
            return number if raw == raw.strip() and "_" not in raw and (number := int(raw)) in _INTEGERS else None
        if kind == "number":
            amount = float(raw) if raw == raw.strip() and "_" not in raw else math.nan
            return None if not math.isfinite(amount) else int(amount) if amount.is_integer() else amount
        value = written_json(raw, strict=True)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list if kind == "array" else dict) else None
