"""The door: who comes too big, too slow, too often or under another name, and what others notice of it."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from tests.conftest import Serve
from tests.server import Server, wait_for

HOST = b"Host: localhost\r\n"
LONG = {"model": "cria", "prompt": "x", "options": {"num_predict": 20000, "ignore_eos": True}}


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def answer_to(server: Server, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes and return status, headers and body of what comes back until the connection ends."""
    with connect(server) as link:
        link.sendall(data)
        return read(link)


def read(link: socket.socket) -> tuple[int, dict[str, str], bytes]:
    received = b""
    while part := link.recv(65536):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), fields, body


@pytest.fixture(scope="module")
def impatient() -> Iterator[Server]:
    from tests.server import World

    world = World({"PUNA_CLIENT_TIMEOUT": "1s"})
    server = Server(world)
    yield server
    server.stop()
    assert world.close() == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /api/version HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 33_000 + b"\r\n\r\n", 431),
        (b"GET /api/version HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 6000 + b"\r\n", 431),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /api/tags HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n", 400),
        (b"GET /api/tags HTTP/1.1\r\n\r\n", 400),
        (b"GET /api/tags HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET /api/tags HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400),
        (b"GET http://evil.example/api/tags HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 403),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_head_that_is_not_taken(server: Server, data: bytes, status: int) -> None:
    answered, fields, body = answer_to(server, data)
    assert answered == status
    assert json.loads(body)["error"]
    assert fields["connection"] == "close"
    assert fields["x-request-id"]
    assert "server" not in fields


def test_head_without_end_is_not_read(server: Server) -> None:
    with connect(server) as link:
        link.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000)
        assert read(link)[0] == 431


def test_trailers_without_end_are_not_read(server: Server) -> None:
    head = b"POST /api/show HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    with connect(server) as link:
        link.sendall(head + b"2\r\n{}\r\n0\r\nX: ")
        time.sleep(0.3)
        link.sendall(b"a" * 40_000)
        assert read(link)[0] == 431


def test_largest_head_that_is_taken(server: Server) -> None:
    assert server.get("/api/version", headers={"X": "a" * 30_000}).status_code == 200


def test_error_has_the_shape_of_its_path(server: Server) -> None:
    for path, key in (("/v1/chat/completions", "message"), ("/v1/messages", "message")):
        for response in (
            server.get(path),
            server.post(path, b"{}"),
            server.get(path, headers={"Host": "evil.example"}),
        ):
            assert response.json()["error"][key], path
            assert response.headers["x-request-id"]


def test_head_that_does_not_arrive(impatient: Server) -> None:
    with connect(impatient) as silent, connect(impatient) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nX: ")
        for link in (silent, slow):
            status, _, body = read(link)
            assert status == 408
            assert "did not arrive" in json.loads(body)["error"]


def test_body_that_does_not_arrive(impatient: Server) -> None:
    with connect(impatient) as link:
        link.sendall(b"POST /api/show HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\n{")
        status, _, body = read(link)
    assert (status, "body" in json.loads(body)["error"]) == (408, True)


def test_patience_is_not_for_answers_and_idle_connections(impatient: Server) -> None:
    with closing(impatient.open_stream("/api/generate", LONG)) as stream:
        began = time.monotonic()
        while time.monotonic() - began < 3:
            assert not next(stream)["done"]
    assert impatient.get("/").status_code == 200
    time.sleep(3)
    with connect(impatient) as link:
        for _ in range(2):
            link.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            received = b""
            while not received.endswith(b"Ollama is running"):
                received += link.recv(65536)
            time.sleep(2.5)


def test_silent_connections_do_not_shut_out_others(serve: Serve) -> None:
    server = serve(files=200)  # 100 connections
    with ExitStack() as stack:
        for _ in range(110):
            link = stack.enter_context(connect(server))
            link.sendall(b"POST /api/show HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\n")
        ask = b"GET /api/version HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        wait_for(lambda: answer_to(server, ask)[0] == 200, 20, "a place that a silent one has lost")
    wait_for(lambda: server.get("/").status_code == 200)


def test_answer_to_http_1_0_has_no_chunks(server: Server) -> None:
    body = json.dumps({"model": "cria", "prompt": "hi", "options": {"num_predict": 3}}).encode()
    head = b"POST /api/generate HTTP/1.0\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body)
    status, fields, answer = answer_to(server, head + body)
    assert status == 200
    assert "transfer-encoding" not in fields
    assert [json.loads(line)["done"] for line in answer.splitlines()][-1] is True
    assert answer_to(server, b"GET / HTTP/1.0\r\n" + HOST + b"\r\n")[2] == b"Ollama is running"


def test_early_answer_is_seen_by_who_sends_on(serve: Serve) -> None:
    server = serve({"PUNA_MAX_BODY": "1k"})
    head = b"POST /api/show HTTP/1.1\r\n" + HOST + b"Content-Length: 8000000\r\nConnection: close\r\n\r\n"
    assert answer_to(server, head + b"x" * 8_000_000)[0] == 413


def test_methods_of_a_path_are_all_named(server: Server) -> None:
    assert server.post("/api/tags").headers["allow"] == "GET, HEAD"
    assert server.get(f"/api/blobs/sha256:{'0' * 64}").headers["allow"] == "HEAD, POST"
    assert server.request("PUT", "/").headers["allow"] == "GET, HEAD"


def test_request_for_another_protocol_is_one_for_http(server: Server) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    one, two = b"GET / HTTP/1.1\r\n" + HOST + upgrade, b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert answer_to(server, one + two)[2].count(b"Ollama is running") == 2
    body = b'{"model": "cria"}'
    asked = b"POST /api/show HTTP/1.1\r\n" + HOST
    whole = asked + b"Content-Length: %d\r\n" % len(body) + upgrade + body
    chunked = asked + b"Transfer-Encoding: chunked\r\n" + upgrade + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    for sent in (whole, chunked):  # a body comes with it, as from Java's client
        assert answer_to(server, sent + two)[2].count(b"model_info") == 1
    assert "Unsupported upgrade" not in server.log()


@pytest.mark.parametrize("path", [b"/api/tags", b"/v1/responses"])
def test_request_for_a_socket_with_a_body_is_answered(server: Server, path: bytes) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    upgrade += b"dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 2\r\n\r\n{}"
    with connect(server) as link:
        link.settimeout(20)
        link.sendall(b"POST " + path + b" HTTP/1.1\r\n" + HOST + upgrade)
        assert link.recv(12) in (b"HTTP/1.1 405", b"HTTP/1.1 400")


def test_client_is_not_who_it_says_it_is(server: Server) -> None:
    with ExitStack() as stack:
        for address in ("1.1.1.1", "2.2.2.2", "3.3.3.3"):
            link = stack.enter_context(connect(server))
            body = json.dumps(LONG).encode()
            claim = f"X-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            link.sendall(b"POST /api/generate HTTP/1.1\r\n" + HOST + claim + body)
        entries = wait_for(lambda: len(server.get("/api/queue").json()["requests"]) >= 3 and server.get("/api/queue"))
        assert {entry["client"] for entry in entries.json()["requests"]} == {"127.0.0.1"}
    wait_for(lambda: not server.get("/api/queue").json()["requests"])


def test_key_of_json_forges_no_line_of_the_log(server: Server) -> None:
    forged = "x\n2026-01-01 00:00:00,000 INFO puna: forged"
    server.post("/api/show", {"model": "cria", forged: 1})
    server.post("/api/generate", {"model": "cria", "prompt": "x", "options": {"num_predict": 1, forged: 1}})
    lines = [line for line in server.log().splitlines() if "puna: forged" in line]
    assert len(lines) == 2
    assert all("WARNING" in line.split("puna: forged")[0] for line in lines)


def test_streams_outlive_a_hangup(serve: Serve) -> None:
    server = serve()
    with closing(server.open_stream("/api/generate", LONG)) as stream:
        next(stream)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "SIGHUP" in server.log())
        for _ in range(50):
            assert not next(stream)["done"]


def test_there_is_no_cloud(server: Server) -> None:
    assert server.get("/api/status").json() == {"cloud": {"disabled": True, "source": "env"}}
    for method, path, text in (
        ("POST", "/api/me", "unauthorized"),
        ("POST", "/api/signout", "you are not currently signed in"),
        ("DELETE", "/api/user/keys/abc", "you are not currently signed in"),
    ):
        response = server.request(method, path, b"{}")
        assert (response.status_code, response.json()) == (401, {"error": text})


def test_copy_names_its_own_fields(server: Server) -> None:
    for body, text in (
        ({"destination": "x"}, 'source "" is invalid'),
        ({"source": "cria"}, 'destination "" is invalid'),
        ({"source": "cria", "destination": "a b"}, 'destination "a b" is invalid'),
    ):
        response = server.post("/api/copy", body)
        assert (response.status_code, response.json()) == (400, {"error": text})
