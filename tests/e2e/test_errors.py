"""Errors of HTTP: one shape, the right status, whatever the body is."""

import gzip
import json
import socket
from typing import Any

import pytest
from tests.conftest import Serve
from tests.server import Server

ROUTES = ["generate", "chat", "embed", "embeddings", "show", "create", "copy"]


def error_of(response: Any) -> str:
    """Return the text of an error, which must have Ollama's shape."""
    assert response.headers["content-type"].startswith("application/json")
    body = response.json()
    assert list(body) == ["error"]
    text: str = body["error"]
    assert text
    return text


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "missing request body"),
        (b"  \n", "missing request body"),
        (b"{", "invalid JSON"),
        (b'{"model": "cria",}', "invalid JSON"),
        (b'{"model": NaN}', "invalid JSON"),
        (b"\xff\xfe", "invalid JSON"),
        (b"[" * 50_000, "invalid JSON"),
        (b"[]", "must be a JSON object"),
        (b'"cria"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
)
def test_what_is_no_body(server: Server, route: str, data: bytes, message: str) -> None:
    response = server.post(f"/api/{route}", data)
    assert response.status_code == 400
    assert message in error_of(response)


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages", "/v1/files"])
def test_a_compressed_body_is_named(server: Server, path: str) -> None:
    body = gzip.compress(b'{"model": "cria", "messages": [{"role": "user", "content": "a"}]}')
    response = server.post(
        path, body, headers={"Content-Encoding": "GZIP", "Content-Type": "multipart/form-data; boundary=a"}
    )
    assert (response.status_code, response.headers["Accept-Encoding"]) == (415, "identity")
    assert "gzip" in response.text
    assert "invalid_request_error" in response.text or path == "/api/chat"


@pytest.mark.parametrize("encoding", ["identity", "", "Identity, identity"])
def test_a_body_may_say_that_it_is_as_it_is(server: Server, encoding: str) -> None:
    response = server.post("/api/show", {"model": "cria"}, headers={"Content-Encoding": encoding})
    assert response.status_code == 200


def test_a_compressed_blob_is_named(server: Server) -> None:
    response = server.post(f"/api/blobs/sha256:{'0' * 64}", b"a", headers={"Content-Encoding": "zstd"})
    assert (response.status_code, "zstd" in error_of(response)) == (415, True)


@pytest.mark.parametrize("route", ["generate", "chat", "embed", "embeddings", "show"])
def test_missing_model(server: Server, route: str) -> None:
    response = server.post(f"/api/{route}", {"model": "missing"})
    assert (response.status_code, error_of(response)) == (404, "model 'missing' not found")
    response = server.request("DELETE", "/api/delete", {"model": "missing"})
    assert (response.status_code, error_of(response)) == (404, "model 'missing' not found")


@pytest.mark.parametrize("route", ["generate", "chat", "embed", "embeddings", "show", "create"])
def test_no_model_at_all(server: Server, route: str) -> None:
    response = server.post(f"/api/{route}", {})
    assert (response.status_code, error_of(response)) == (400, "model is required")


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "nonsense", None])
def test_json_whatever_the_content_type(server: Server, content_type: str | None) -> None:
    response = server.post("/api/show", b'{"model": "cria"}', headers={"Content-Type": content_type})
    assert response.status_code == 200


def test_null_is_as_good_as_nothing(server: Server) -> None:
    body = {"model": "cria", "prompt": None, "options": None, "keep_alive": None, "format": None}
    assert server.ask("/api/generate", body)["done_reason"] == "load"


@pytest.mark.parametrize(
    "path", ["/nope", "/api", "/api/nope", "/api/blobs/", "/api/../../etc/passwd", "/%2e%2e/%2e%2e/x"]
)
def test_unknown_path(server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        response = server.request(method, path)
        assert response.status_code == 404
        assert error_of(response)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/generate"), ("PUT", "/api/tags"), ("POST", "/api/ps"), ("POST", "/api/delete"), ("DELETE", "/")],
)
def test_wrong_method(server: Server, method: str, path: str) -> None:
    response = server.request(method, path)
    assert (response.status_code, error_of(response)) == (405, "method not allowed")
    assert response.headers["allow"]


def test_body_over_the_limit(serve: Serve) -> None:
    server = serve({"PUNA_MAX_BODY": "2k"})
    body = {"model": "cria", "prompt": "x" * 3000}
    response = server.post("/api/generate", body)
    assert response.status_code == 413
    assert "2048 bytes (PUNA_MAX_BODY)" in error_of(response)
    chunks = iter([json.dumps(body).encode()])
    response = server.session.post(f"{server.url}/api/generate", data=chunks, timeout=30)
    assert response.status_code == 413, "also when the length is not declared"
    assert server.ask("/api/generate", {"model": "cria"})["done"] is True


def test_garbage_on_the_wire_hurts_nobody(server: Server) -> None:
    for data in (
        b"\0\1\2\3\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"x" * 10**5,
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert server.get("/").status_code == 200
