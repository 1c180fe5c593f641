"""The thread that everybody waits for changes nothing on the disk, and reads nothing of which there may be many files:
a busy disk holds such calls up."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e import audited
from tests.server import Server, World, wait_for

LONG = "The harbour of the town lies behind two islands. " * 40


class Audited(Server):
    command = (str(Path(audited.__file__)), "--exit-with-stdin")


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    server = Audited(world)
    try:
        yield server
    finally:
        server.stop()


def _chat(server: Server, keep_alive: int) -> None:
    body = {"model": "cria", "messages": [{"role": "user", "content": LONG}], "stream": False}
    server.ask("/api/chat", body | {"keep_alive": keep_alive, "options": {"num_predict": 2}})


def _is_unloaded(server: Server) -> bool:
    return not server.get("/api/ps").json()["models"]


def _upload(server: Server, data: bytes, digest: str) -> int:
    return server.session.post(f"{server.url}/api/blobs/{digest}", data=data, timeout=60).status_code


def _go_away_in_the_middle_of_an_upload(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        head = f"POST /api/blobs/sha256:{'0' * 64} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
        client.sendall(head.encode() + b"x" * 5_000_000)
        wait_for(lambda: list(server.world.models.glob("blobs/puna-writing-*")), what="a file that is being written")


def test_the_thread_of_the_loop_lets_the_disk_be(server: Server) -> None:
    server.get("/api/version")
    began = len(server.log())
    data = b"a layer"
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert _upload(server, data, digest) == 201
    assert _upload(server, data, f"sha256:{'0' * 64}") == 400
    _go_away_in_the_middle_of_an_upload(server)
    server.ask("/api/create", {"model": "mine", "from": "cria", "system": "Be brief.", "stream": False})
    server.post("/api/copy", {"source": "mine", "destination": "yours"})
    for _ in range(3):  # what is saved is restored, and made longer
        _chat(server, 0)
        wait_for(lambda: _is_unloaded(server), what="the model's end")
    server.session.delete(f"{server.url}/api/delete", json={"model": "yours"}, timeout=60)
    assert "restored" in server.log()
    assert [line for line in server.log()[began:].splitlines() if audited.MARK in line] == []
