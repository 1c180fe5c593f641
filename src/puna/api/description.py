"""The API's description for programs and for the page at ``/docs`` (OpenAPI), from the routes and their docstrings.

FastAPI makes the first draft. It cannot see which errors there are (it promises a 422 that no route gives), names
routes after functions, and leaves what schemas refer to where no reference leads.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from puna.api.anthropic import answers as anthropic_answers
from puna.api.anthropic import examples as anthropic
from puna.api.dialect import ANTHROPIC, OLLAMA, OPENAI, dialect_of
from puna.api.ollama import answers as ollama_answers
from puna.api.ollama import examples as ollama
from puna.api.openai import answers as openai_answers
from puna.api.openai import examples as openai
from puna.api.puna import answers as puna_answers
from puna.api.puna import examples as puna
from puna.api.shapes import JSON, TEXT, Schema, either, or_null, texts, thing

BODIES = {**ollama.BODIES, **openai.BODIES, **anthropic.BODIES, **puna.BODIES}
"""An example for each body that is JSON, by method and path."""
PARAMETERS = {**ollama.PARAMETERS, **openai.PARAMETERS}
"""What stands for a part of a path, by its name."""

ANSWERS = (ollama_answers.ANSWERS, openai_answers.ANSWERS, anthropic_answers.ANSWERS, puna_answers.ANSWERS)
"""What comes back from each route; of what dialects share, each says its own."""
NEVER = {("post", "/api/me"), ("post", "/api/signout"), *openai_answers.NEVER}
"""What is never answered with anything but an error."""

_ALWAYS = (401, 403, 431, 500, 503)
_WITH_PARAMETERS = (400, 404)
_WITH_BODY = (400, 404, 408, 413, 415, 507)
_UNLIMITED = ("get", "head")
"""The methods of requests that count against no limit of a key."""
_LEFT_OUT = ("422",)
_MAYBE = or_null(TEXT)
_TOLD = thing({**texts("message", "type"), "param": _MAYBE, "code": _MAYBE})
_ERRORS = {
    OLLAMA.name: ("Error", thing(texts("error"))),
    OPENAI.name: ("OpenAIError", thing({"error": _TOLD})),
    ANTHROPIC.name: (
        "AnthropicError",
        thing({"type": TEXT, "error": thing(texts("type", "message")), "request_id": _MAYBE}),
    ),
}
"""The name and the schema of an error in each dialect."""
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
        operation["responses"] = _responses(operation, dialect_of(path).name, method, path)
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


def _responses(operation: Mapping[str, Any], dialect: str, method: str, path: str) -> dict[str, Any]:
    responses = {status: answer for status, answer in operation["responses"].items() if status not in _LEFT_OUT}
    if (method, path) in NEVER:
        del responses["200"]
    elif told := [answers[method, path] for answers in ANSWERS if (method, path) in answers]:
        content = _content(told)
        responses["200"] = {"description": HTTPStatus.OK.phrase} | ({"content": content} if content else {})
    statuses = {
        *_ALWAYS,
        *(_WITH_BODY if "requestBody" in operation else ()),
        *(_WITH_PARAMETERS if operation.get("parameters") else ()),
        *([404] if (method, path) in NEVER else ()),
        *([] if method in _UNLIMITED else [429]),
    }
    error = {"$ref": f"#/components/schemas/{_ERRORS[dialect][0]}"}
    for status in sorted(statuses):
        own = responses.get(str(status), {}).get("content", {}).get(JSON, {}).get("schema")
        body = {JSON: {"schema": either(own, error) if own else error}}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": body}
    return responses


def _content(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what may come back by its media types; ``told`` is what each dialect says of the route."""
    kinds = dict.fromkeys(media for answers in told for media in answers)
    return {media: {"schema": _one_of([answers.get(media) for answers in told])} for media in kinds}


def _one_of(schemas: Sequence[Schema | None]) -> Schema:
    known = [schema for schema in schemas if schema is not None]
    return either(*known) if len(known) > 1 else next(iter(known), {})


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
