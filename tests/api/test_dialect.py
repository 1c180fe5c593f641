"""Errors in the shape of the dialect that a path speaks, as clients of that dialect read them."""

import errno
import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from puna.api.dialect import dialect_of, error_piece, error_response
from puna.api.errors import fault_of
from puna.errors import BadRequestError, ModelNotFoundError, PunaError, UnavailableError
from puna.telemetry.counts import COUNTS


def body_of(path: str, error: Exception) -> dict[str, Any]:
    response = error_response({"path": path, "puna.request_id": "7"}, error)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    body: dict[str, Any] = json.loads(bytes(response.body))
    return body


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/chat", "ollama"),
        ("/", "ollama"),
        ("", "ollama"),
        ("/v1x", "ollama"),
        ("/v1", "openai"),
        ("/v1/chat/completions", "openai"),
        ("/v1/messagesx", "openai"),
        ("/v1/messages", "anthropic"),
        ("/v1/messages/count_tokens", "anthropic"),
    ],
)
def test_path_decides(path: str, name: str) -> None:
    assert dialect_of(path).name == name


def test_shape_of_ollama() -> None:
    assert body_of("/api/chat", ModelNotFoundError("x")) == {"error": "model 'x' not found"}
    assert error_piece({"path": "/api/chat"}, PunaError("no")) == b'{"error":"no"}\n'


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequestError("no"), "invalid_request_error"),
        (ModelNotFoundError("x"), "not_found_error"),
        (UnavailableError("busy"), "api_error"),
        (ValueError("bug"), "api_error"),
    ],
)
def test_shape_of_openai(error: Exception, kind: str) -> None:
    told = body_of("/v1/chat/completions", error)["error"]
    assert list(told) == ["message", "type", "param", "code"]
    assert told["type"] == kind
    unknown_model = isinstance(error, ModelNotFoundError)
    assert (told["param"], told["code"]) == (("model", "model_not_found") if unknown_model else (None, None))
    assert error_piece({"path": "/v1/chat/completions"}, error).startswith(b'data: {"error":{"message":')


def test_word_for_programs() -> None:
    class ContextError(BadRequestError):
        code = "context_length_exceeded"

    assert body_of("/v1/responses", ContextError("long"))["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequestError("no"), "invalid_request_error"),
        (ModelNotFoundError("x"), "not_found_error"),
        (UnavailableError("busy"), "overloaded_error"),
        (ValueError("bug"), "api_error"),
    ],
)
def test_shape_of_anthropic(error: Exception, kind: str) -> None:
    body = body_of("/v1/messages", error)
    assert list(body) == ["type", "error", "request_id"]
    assert (body["type"], body["error"]["type"], body["request_id"]) == ("error", kind, "req_7")
    assert error_piece({"path": "/v1/messages"}, error).startswith(b'event: error\ndata: {"type":"error",')


def test_faults_of_the_program_are_not_told() -> None:
    assert "secret" not in fault_of(ValueError("secret")).message


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (errno.ENOSPC, 507, "no space left on the disk"),
        (errno.EDQUOT, 507, "quota"),
        (errno.EROFS, 500, "read-only"),
        (errno.EACCES, 500, "permission denied"),
        (errno.EMFILE, 503, "too many files"),
    ],
)
def test_what_the_disk_refuses_is_told(number: int, status: int, words: str) -> None:
    fault = fault_of(OSError(number, "…", "/models/blobs/x"))
    assert fault.status == status
    assert words in fault.message
    assert fault.message.endswith(": /models/blobs/x")
    assert fault_of(OSError(number, "…")).message in fault.message


def test_full_disk_under_numpy_is_told() -> None:
    assert "no space" in fault_of(OSError("1000 requested and 12 written")).message


def test_other_errors_of_the_system_are_faults_of_the_program() -> None:
    assert "internal" in fault_of(ConnectionRefusedError(errno.ECONNREFUSED, "refused")).message


@pytest.mark.parametrize(
    ("error", "labels"),
    [
        (KeyError("odd"), ("500", "Key")),
        (OSError(errno.ENOSPC, "full"), ("507", "OS")),
        (HTTPException(405), ("405", "HTTPException")),
        (ModelNotFoundError("nobody"), ("404", "ModelNotFound")),
    ],
)
def test_every_request_that_fails_is_counted(error: Exception, labels: tuple[str, str]) -> None:
    counted = COUNTS.counters.setdefault("puna_refusals", {})
    before = counted.get(labels, 0)
    assert str(fault_of(error).status) == labels[0]
    assert counted[labels] == before + 1


def test_errors_have_no_end_and_no_passwords() -> None:
    fault = fault_of(BadRequestError("http://bob:hunter2@host/" + "x" * 10_000_000))
    assert len(fault.message) < 5000
    assert "hunter2" not in fault.message
