"""JSON Schemas for engines that bind answers with llama.cpp's own grammars, as every llama-server does.

Those grammars leave out what they do not know, in silence. So a schema is rewritten here into one of which they enforce
all, and which allows nothing that the schema forbids (it may allow less: no further properties beside listed ones, for
example). Where that cannot be done the schema is refused. What they know was read in, and tried on, llama.cpp 0.5.
"""

import math
from collections.abc import Mapping
from typing import Any

from puna.errors import BadRequestError
from puna.inference.format.native_pattern import UnsupportedPatternError, native_pattern

Schema = Mapping[str, Any]

_NOTES = {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
_NOTES |= {"$schema", "$id", "$comment", "$defs", "definitions"}
_DEFINITIONS = ("$defs", "definitions")
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_FAMILIES: dict[str, set[str]] = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "integer": _BOUNDS,
    "number": set(),
    "boolean": set(),
    "null": set(),
}
"""The keywords that can be enforced for each type; those of other types do not concern it."""
_FORMATS = {"date", "time", "date-time", "uuid"}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class NativeSchemaError(BadRequestError):
    """The native engine cannot enforce a keyword of a schema; the portable engine may."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"format: the native engine cannot enforce {what} of this JSON Schema "
            "(puna engine use portable --model MODEL chooses the engine that can)"
        )


def native_schema(schema: Schema) -> dict[str, Any]:
    """Return a schema that llama.cpp's grammars enforce as a whole; its answers are valid against ``schema``.

    ``schema`` must be valid itself. Raises ``NativeSchemaError`` with the keyword that stands in the way.
    """
    return _Rewriting(schema).result()


class _Rewriting:
    """The rewriting of one schema. Definitions get names of their own, for the engine mixes up similar ones."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        places = [(key, name) for key in _DEFINITIONS for name in schema.get(key, {})]
        self._names = {f"#/{key}/{name}": f"d{number}" for number, (key, name) in enumerate(places)}

    def result(self) -> dict[str, Any]:
        """Return the schema in its new form."""
        rewritten = self._node(self._schema)
        values = [value for key in _DEFINITIONS for value in self._schema.get(key, {}).values()]
        if values:
            rewritten["$defs"] = {f"d{number}": self._node(value) for number, value in enumerate(values)}
        return rewritten

    def _node(self, schema: Any) -> dict[str, Any]:
        if not isinstance(schema, Mapping):
            if schema is True:
                return {}
            raise NativeSchemaError("false as a schema")
        keys = {key for key in schema if key not in _NOTES and not key.startswith("x-")}
        for key, rewrite in (
            ("$ref", self._reference),
            ("allOf", self._all),
            ("anyOf", self._any),
            ("oneOf", self._any),
        ):
            if key in keys:
                if len(keys) > 1:
                    raise NativeSchemaError(f"{key} with {min(keys - {key})} beside it")
                return rewrite(schema[key])
        if "const" in keys or "enum" in keys:
            return _listed(schema, keys)
        kinds = schema["type"] if "type" in schema else _meant(keys)
        if isinstance(kinds, list):
            return {"anyOf": [self._typed(schema, keys, kind) for kind in kinds]}
        return self._typed(schema, keys, kinds) if kinds else {}

    def _reference(self, target: str) -> dict[str, Any]:
        if target not in self._names:
            raise NativeSchemaError(f"$ref to {target}")
        return {"$ref": f"#/$defs/{self._names[target]}"}

    def _all(self, parts: list[Any]) -> dict[str, Any]:
        if len(parts) > 1:
            raise NativeSchemaError("allOf")
        return self._node(parts[0])

    def _any(self, parts: list[Any]) -> dict[str, Any]:
        return {"anyOf": [self._node(part) for part in parts]}

    def _typed(self, schema: Schema, keys: set[str], kind: str) -> dict[str, Any]:
        known = _BOUNDS.union(*_FAMILIES.values()) - (_BOUNDS if kind == "number" else set())
        if unknown := keys - known - {"type"}:
            raise NativeSchemaError(f"{min(unknown)} for type {kind}")
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return _string(schema)
            case "integer":
                return _integer(schema)
        return {"type": kind}

    def _object(self, schema: Schema) -> dict[str, Any]:
        further = schema.get("additionalProperties", True)
        required = list(schema.get("required", ()))
        properties = {
            name: self._node(value)
            for name, value in schema.get("properties", {}).items()
            if value is not False or name in required
        }
        for name in required:
            if name not in properties:
                properties[name] = self._node(further)
        if properties or further is False or schema.get("properties"):
            # Further properties beside listed ones can be given names that are no JSON.
            return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        return {"type": "object"} | ({} if further is True else {"additionalProperties": self._node(further)})

    def _array(self, schema: Schema) -> dict[str, Any]:
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if first:
            if not least <= len(first) <= most:
                raise NativeSchemaError("prefixItems with another number of items")
            return {"type": "array", "prefixItems": [self._node(item) for item in first]}
        if rest is False:
            if least:
                raise NativeSchemaError("items: false with minItems")
            return {"type": "array", "items": {}, "maxItems": 0}
        return {"type": "array", "items": self._node(rest), "minItems": least} | (
            {} if math.isinf(most) else {"maxItems": most}
        )


def _meant(keys: set[str]) -> str:
    """Return the type that a schema without one speaks of: to allow only that is to allow less. "" for any value."""
    if not keys:
        return ""
    speaking = [kind for kind, own in _FAMILIES.items() if keys <= own]
    if not speaking:
        raise NativeSchemaError(f"{min(keys)} without a type")
    return speaking[0]


def _listed(schema: Schema, keys: set[str]) -> dict[str, Any]:
    if further := keys - {"const", "enum", "type"} or ({"const"} if {"const", "enum"} <= keys else set()):
        raise NativeSchemaError(f"enum with {min(further)} beside it")
    values = [schema["const"]] if "const" in keys else schema["enum"]
    kinds = schema.get("type", list(_PYTHON_TYPES))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fitting = [value for value in values if any(_is(value, kind) for kind in kinds)]
    if not fitting:
        raise NativeSchemaError("an enum without a value of its type")
    return {"enum": fitting}


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _PYTHON_TYPES[kind])


def _string(schema: Schema) -> dict[str, Any]:
    lengths = {key: schema[key] for key in ("minLength", "maxLength") if key in schema}
    if "pattern" in schema:
        if lengths or "format" in schema:
            raise NativeSchemaError(f"pattern with {min(lengths, default='format')} beside it")
        try:
            return {"type": "string", "pattern": native_pattern(schema["pattern"])}
        except UnsupportedPatternError as error:
            raise NativeSchemaError(f"the pattern {schema['pattern']!r} ({error})") from error
    if "format" in schema:
        if schema["format"] not in _FORMATS or lengths:
            raise NativeSchemaError(f"format {schema['format']}" + (" with a length" if lengths else ""))
        return {"type": "string", "format": schema["format"]}
    return {"type": "string", **lengths}


def _integer(schema: Schema) -> dict[str, Any]:
    least = [math.ceil(schema["minimum"])] if "minimum" in schema else []
    least += [math.floor(schema["exclusiveMinimum"]) + 1] if "exclusiveMinimum" in schema else []
    most = [math.floor(schema["maximum"])] if "maximum" in schema else []
    most += [math.ceil(schema["exclusiveMaximum"]) - 1] if "exclusiveMaximum" in schema else []
    bounds = {name: pick(values) for name, pick, values in (("minimum", max, least), ("maximum", min, most)) if values}
    return {"type": "integer", **bounds}
