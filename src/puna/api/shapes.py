"""Words for the schemas by which the API's description tells what comes back."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
Answers = Mapping[tuple[str, str], Mapping[str, Schema | None]]
"""What comes back with status 200, by method and path: a schema for each media type, ``None`` where it is no JSON.

No media type means that there is no body. Of a stream the schema is that of each line, or event.
"""

JSON, LINES, EVENTS = "application/json", "application/x-ndjson", "text/event-stream"
ANY: Schema = {}
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}


def thing(fields: Mapping[str, Schema] | None = None, /, **maybe: Schema) -> Schema:
    """Return the schema of an object that always has ``fields``, and sometimes others."""
    always = dict(fields or {})
    return {"type": "object", "required": list(always), "properties": {**always, **maybe}}


def many(schema: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": schema}


def by_name(schema: Schema) -> Schema:
    """Return the schema of an object whose fields have names that nobody knows beforehand."""
    return {"type": "object", "additionalProperties": schema}


def either(*schemas: Schema) -> Schema:
    """Return the schema of what fits one of several."""
    return {"anyOf": list(schemas)}


def or_null(schema: Schema) -> Schema:
    """Return the schema of what may be ``null``."""
    return either(schema, {"type": "null"})


def just(*values: str) -> Schema:
    """Return the schema of a text that is one of ``values``."""
    return {"enum": list(values)}


def texts(*names: str) -> dict[str, Schema]:
    """Return fields that are texts."""
    return dict.fromkeys(names, TEXT)


def counts(*names: str) -> dict[str, Schema]:
    """Return fields that are whole numbers."""
    return dict.fromkeys(names, WHOLE)
