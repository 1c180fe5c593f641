"""Blobs from outside: what does not match its digest, or does not arrive whole, leaves nothing."""

import hashlib
import socket
from collections.abc import Iterator

import pytest
from tests.cluster.server import reads_late
from tests.conftest import Serve
from tests.server import Server, wait_for

DATA = b"the bytes of a blob" * 1000
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
OTHER = f"sha256:{'0' * 64}"


def test_blob_is_stored_once_and_found(server: Server) -> None:
    assert server.request("HEAD", f"/api/blobs/{DIGEST}").status_code == 404
    assert server.post(f"/api/blobs/{DIGEST}", DATA).status_code == 201
    assert server.request("HEAD", f"/api/blobs/{DIGEST}").status_code == 200
    assert server.post(f"/api/blobs/{DIGEST}", DATA).status_code == 200
    stored = server.world.models / "blobs" / DIGEST.replace(":", "-")
    assert stored.read_bytes() == DATA
    stored.unlink()


@reads_late
def test_blob_that_is_here_is_answered_when_all_is_sent(server: Server) -> None:
    data = b"x" * 5_000_000
    path = f"/api/blobs/sha256:{hashlib.sha256(data).hexdigest()}"
    assert server.post(path, data).status_code == 201
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(data)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as simple:
        simple.sendall(head.encode() + b"\r\n" + data)  # and looks for nothing before all is sent
        assert simple.recv(65536).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as asking:
        asking.sendall(head.encode() + b"Expect: 100-continue\r\n\r\n")
        assert asking.recv(65536).startswith(b"HTTP/1.1 200")
    (server.world.models / path.removeprefix("/api/").replace(":", "-")).unlink()


def test_blob_in_chunks(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        for start in range(0, len(DATA), 999):
            yield DATA[start : start + 999]

    response = server.session.post(f"{server.url}/api/blobs/{DIGEST}", data=chunks(), timeout=60)
    assert response.status_code == 201
    (server.world.models / "blobs" / DIGEST.replace(":", "-")).unlink()


def test_other_digest_is_refused_and_nothing_stays(server: Server) -> None:
    before = server.blobs()
    response = server.post(f"/api/blobs/{OTHER}", DATA)
    assert response.status_code == 400
    assert response.json() == {"error": f'digest mismatch, expected "{OTHER}", got "{DIGEST}"'}
    assert server.blobs() == before
    assert server.request("HEAD", f"/api/blobs/{OTHER}").status_code == 404


@pytest.mark.parametrize(
    "digest", ["sha256:abc", "md5:" + "0" * 32, "sha256:" + "g" * 64, "0" * 64, "sha256:" + "0" * 65, "sha256%3A.."]
)
def test_no_digest_is_refused(server: Server, digest: str) -> None:
    before = server.blobs()
    for method, status in (("HEAD", 400), ("POST", 400)):
        assert server.request(method, f"/api/blobs/{digest}", b"x").status_code == status
    assert server.blobs() == before


def _begin_upload(server: Server, declared: int, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST /api/blobs/{DIGEST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {declared}\r\n\r\n"
    connection.sendall(head.encode() + data)
    return connection


def _writing(server: Server) -> bool:
    return any(name.startswith("puna-writing-") for name in server.blobs())


def test_upload_that_breaks_off_leaves_nothing(server: Server) -> None:
    before = server.blobs()
    with _begin_upload(server, len(DATA), DATA[:-1]):
        wait_for(lambda: _writing(server), what="the upload to begin")
    wait_for(lambda: server.blobs() == before, what="the unfinished file to go")
    assert server.request("HEAD", f"/api/blobs/{DIGEST}").status_code == 404
    assert server.get("/").status_code == 200


def test_upload_into_a_server_that_is_killed_leaves_nothing(serve: Serve) -> None:
    server = serve()
    with _begin_upload(server, len(DATA), DATA[:-1]):
        wait_for(lambda: _writing(server), what="the upload to begin")
        server.kill()
    again = serve(world=server.world)
    assert again.blobs() == set()
    assert "removed 1 unfinished files" in again.log()


def test_large_blob_is_bounded_by_no_limit_of_bodies(serve: Serve) -> None:
    server = serve({"PUNA_MAX_BODY": "1k"})
    assert server.post(f"/api/blobs/{DIGEST}", DATA).status_code == 201
