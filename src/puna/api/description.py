"""The API's description for programs and for the page at ``/docs`` (OpenAPI), from the routes and their docstrings.

FastAPI makes the first draft. It cannot see which errors there are (it promises a 422 that no route gives), names
routes after functions, and leaves what schemas refer to where no reference leads.
"""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from puna.api.anthropic import examples as anthropic
from puna.api.dialect import ANTHROPIC, OLLAMA, OPENAI, dialect_of
from puna.api.ollama import examples as ollama
from puna.api.openai import examples as openai
from puna.api.puna import examples as puna

BODIES = {**ollama.BODIES, **openai.BODIES, **anthropic.BODIES, **puna.BODIES}
"""An example for each body that is JSON, by method and path."""
PARAMETERS = {**ollama.PARAMETERS, **openai.PARAMETERS}
"""What stands for a part of a path, by its name."""

_ALWAYS = (401, 403, 431, 500, 503)
_WITH_PARAMETERS = (400, 404)
_WITH_BODY = (400, 404, 408, 413, 507)
_LEFT_OUT = ("422",)
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


_TOLD = _object(message=_TEXT, type=_TEXT, param=_TEXT_OR_NULL, code=_TEXT_OR_NULL)
_ERRORS = {
    OLLAMA.name: ("Error", _object(error=_TEXT)),
    OPENAI.name: ("OpenAIError", _object(error=_TOLD)),
    ANTHROPIC.name: (
        "AnthropicError",
        _object(type=_TEXT, error=_object(type=_TEXT, message=_TEXT), request_id=_TEXT_OR_NULL),
    ),
}
"""The name and the schema of an error in each dialect."""
_STREAMS = {OLLAMA.name: "application/x-ndjson"}
_EVENTS = "text/event-stream"
_BLOB = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description of ``app`` in OpenAPI 3.1."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    schemas: dict[str, Any] = dict(_ERRORS.values())
    for method, path, operation in _operations(document):
        _name(operation, method, path)
        for parameter in operation.get("parameters", ()):
            parameter["example"] = PARAMETERS.get(parameter["name"], "")
        if (method, path) == ("post", "/api/blobs/{digest}"):
            operation["requestBody"] = {"required": True, "content": _BLOB}
        json_body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if json_body:
            schemas |= json_body["schema"].pop("$defs", {})
            json_body["example"] = BODIES[method, path]
        operation["responses"] = _responses(operation, dialect_of(path).name)
    document["components"] = {"schemas": schemas}
    _lead_to_components(document)
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method, path, operation


def _name(operation: dict[str, Any], method: str, path: str) -> None:
    first, _, rest = operation.pop("description", "").partition("\n")
    operation["summary"] = first.rstrip(".")
    if rest.strip():
        operation["description"] = rest.strip()
    operation["operationId"] = "_".join([method, *re.findall(r"\w+", path)])


def _responses(operation: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    responses = {status: answer for status, answer in operation["responses"].items() if status not in _LEFT_OUT}
    body = operation.get("requestBody", {}).get("content", {})
    properties = body.get("application/json", {}).get("schema", {}).get("properties", {})
    if "stream" in properties:
        stream = _STREAMS.get(dialect, _EVENTS)
        responses["200"]["content"] = {stream: {"schema": {}}, "application/json": {"schema": {}}}
    statuses = {*_ALWAYS, *(_WITH_BODY if body else ()), *(_WITH_PARAMETERS if operation.get("parameters") else ())}
    told = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_ERRORS[dialect][0]}"}}}
    for status in sorted(statuses):
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": told}
    return responses


def _lead_to_components(value: Any) -> None:
    """Let the references of pydantic's schemas lead to where their targets are in this document."""
    if isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            value["$ref"] = target.replace("#/$defs/", "#/components/schemas/")
        for item in value.values():
            _lead_to_components(item)
    elif isinstance(value, list):
        for item in value:
            _lead_to_components(item)
