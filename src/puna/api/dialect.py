"""Which dialect a path speaks, and its errors: nothing else writes one, whatever its status, before or in a stream.

The shapes are those of Ollama 0.33 (``{"error": …}``; ``openai.ErrorResponse`` and ``anthropic.ErrorResponse`` under
``/v1``), which the official clients of each dialect read.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from puna.api.errors import Fault, fault_of
from puna.api.http.request_id import REQUEST_ID
from puna.outside import on_one_line

_log = logging.getLogger(__name__)
_MEDIA_TYPE = "application/json; charset=utf-8"
_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    414: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
}
_ANTHROPIC_TYPES = _OPENAI_TYPES | {413: "request_too_large", 503: "overloaded_error", 529: "overloaded_error"}
_ANTHROPIC_CODES = ("thread_unsupported_request",)
"""Words by which Anthropic's clients know errors; others are OpenAI's."""
_OTHER_TYPE = "api_error"
_REGISTRY_CODES = ("MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NAME_UNKNOWN", "NAME_INVALID", "DIGEST_INVALID")
_REGISTRY_BY_STATUS = {
    400: "NAME_INVALID",
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    429: "TOOMANYREQUESTS",
}
"""Of the distribution specification, "Error Codes"."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one dialect tells of a fault: ``body`` makes the object (from the fault and the request's id), ``piece``
    makes of the object the last piece of a stream that has begun."""

    name: str
    body: Callable[[Fault, str], Mapping[str, Any]]
    piece: Callable[[bytes], bytes]


def _ollama(fault: Fault, _request_id: str) -> Mapping[str, Any]:
    return {"error": fault.message}


def _openai(fault: Fault, _request_id: str) -> Mapping[str, Any]:
    kind = _OPENAI_TYPES.get(fault.status, _OTHER_TYPE)
    message = fault.known_as or fault.message
    return {"error": {"message": message, "type": kind, "param": fault.param, "code": fault.code}}


def _anthropic(fault: Fault, request_id: str) -> Mapping[str, Any]:
    error: dict[str, Any] = {
        "type": _ANTHROPIC_TYPES.get(fault.status, _OTHER_TYPE),
        "message": fault.known_as or fault.message,
    }
    if fault.code in _ANTHROPIC_CODES:
        error["details"] = {"error_code": fault.code}
    return {"type": "error", "error": error, "request_id": f"req_{request_id}"}


def _registry(fault: Fault, _request_id: str) -> Mapping[str, Any]:
    code = fault.code if fault.code in _REGISTRY_CODES else _REGISTRY_BY_STATUS.get(fault.status, "UNKNOWN")
    return {"errors": [{"code": code, "message": fault.message}]}


OLLAMA = Dialect("ollama", _ollama, lambda body: body + b"\n")
OPENAI = Dialect("openai", _openai, lambda body: b"data: " + body + b"\n\n")
ANTHROPIC = Dialect("anthropic", _anthropic, lambda body: b"event: error\ndata: " + body + b"\n\n")

REGISTRY = Dialect("registry", _registry, lambda body: body)
"""What registries and their clients speak: the OCI distribution protocol."""

_PREFIXES = (
    ("/v1/messages", ANTHROPIC),
    ("/v1", OPENAI),
    ("/openai/v1", OPENAI),
    ("/chat/completions", OPENAI),
    ("/completions", OPENAI),
    ("/embeddings", OPENAI),
    ("/models", OPENAI),
    ("/audio", OPENAI),
    ("/moderations", OPENAI),
    ("/responses", OPENAI),
    ("/conversations", OPENAI),
    ("/files", OPENAI),
    ("/batches", OPENAI),
    ("/decisions", OPENAI),
    ("/rerank", OPENAI),
    ("/v2/rerank", OPENAI),
    ("/v2", REGISTRY),
    ("/tokenize", OPENAI),
    ("/detokenize", OPENAI),
)
"""The first that a path lies under decides. Some clients leave ``/v1`` out."""
ANTHROPIC_VERSION = "anthropic-version"
"""The header of Anthropic's clients, which share the path of the models with OpenAI's."""
_MODELS = ("/v1/models", "/models", "/openai/v1/models")


def dialect_of(path: str) -> Dialect:
    """Return the dialect that is spoken under ``path``: Ollama's, where no other is."""
    return next((dialect for prefix, dialect in _PREFIXES if path == prefix or path.startswith(prefix + "/")), OLLAMA)


def spoken(scope: Scope) -> Dialect:
    """Return the dialect of a request, by its path, and its headers where a path has two."""
    path = scope["path"]
    is_shared = any(path == prefix or path.startswith(prefix + "/") for prefix in _MODELS)
    return ANTHROPIC if is_shared and ANTHROPIC_VERSION in Headers(scope=scope) else dialect_of(path)


def error_response(scope: Scope, error: BaseException) -> Response:
    """Return the response to the request of ``scope``, which failed before its answer began.

    Most get no further than here, and have no other line in the log; anybody could fill it with these.
    """
    fault = fault_of(error)
    told = {"id": scope.get(REQUEST_ID, ""), "path": scope.get("path", ""), "status": fault.status}
    _log.debug("refused: %s", fault.message, extra={"fields": told})
    headers = dict(fault.headers)
    if spoken(scope) is ANTHROPIC:
        headers["request-id"] = f"req_{scope.get(REQUEST_ID, '')}"
    return Response(_body(scope, fault), fault.status, headers, _MEDIA_TYPE)


def error_piece(scope: Scope, error: BaseException) -> bytes:
    """Return the last piece of the stream that answers the request of ``scope``, for an error on the way."""
    return spoken(scope).piece(_body(scope, fault_of(error)))


def error_body(scope: Scope, error: BaseException) -> bytes:
    """Return the object (JSON) that tells of an error where the request of ``scope`` has no response of its own."""
    return _body(scope, fault_of(error))


def _body(scope: Scope, fault: Fault) -> bytes:
    return on_one_line(orjson.dumps(spoken(scope).body(fault, scope.get(REQUEST_ID, ""))))
