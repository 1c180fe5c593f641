"""A store that is full, may only be read, or has things in it that cannot be looked at."""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Serve
from tests.server import Server, World

MODEL = "somebody/whole:latest"


@contextlib.contextmanager
def mounted(directory: Path, *arguments: str) -> Iterator[None]:
    """Mount something at ``directory`` for as long as the context lasts; only root may."""
    if subprocess.run(["mount", *arguments, str(directory)], capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Let nobody write into ``directory``, root included."""
    if os.geteuid():
        places = [path for path in (directory, *directory.rglob("*")) if path.is_dir()]
        for path in places:
            path.chmod(0o555)
        try:
            yield
        finally:
            for path in places:
                path.chmod(0o755)
        return
    with mounted(directory, "--bind", str(directory)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(directory)], check=True)
        yield


def errors(server: Server, requests: list[tuple[str, str, dict[str, Any]]]) -> dict[str, tuple[int, str]]:
    """Return status and error of each request, by its path."""
    answers = [(path, server.request(method, path, body)) for method, path, body in requests]
    return {path: (answer.status_code, answer.json()["error"]) for path, answer in answers}


@pytest.fixture
def locked(serve: Serve) -> Iterator[Server]:
    """A server over a store with one model that may only be read."""
    world = World()
    first = serve(world=world)
    assert first.post("/api/copy", {"source": "cria", "destination": MODEL}).status_code == 200
    first.stop()
    with read_only(world.models):
        server = serve(world=world)
        yield server
        server.stop()


def test_read_only_store_is_read(locked: Server) -> None:
    assert MODEL in {model["name"] for model in locked.get("/api/tags").json()["models"]}
    assert locked.ask("/api/show", {"model": MODEL})["capabilities"]
    assert locked.ask("/api/generate", {"model": MODEL, "prompt": "x", "stream": False, "options": {"num_predict": 2}})
    locked.ask("/api/generate", {"model": MODEL, "keep_alive": 0})


def test_healthy_models_of_a_read_only_store_are_found_healthy(locked: Server) -> None:
    for path in ("/api/puna/verify", "/api/puna/repair"):
        report = locked.ask(path, {"stream": False})["report"]
        assert (report["ok"], report["findings"], report["broken"]) == (True, [], [])
        assert report["checked"] > 1
        (warning,) = report["warnings"]
        assert "cannot be written: Read-only file system" in warning or "Permission denied" in warning
    locked.world.environment["OLLAMA_HOST"] = locked.url
    assert "cannot be written" in locked.world.run("verify").stderr


def test_damage_in_a_read_only_store_is_told_and_left_alone(serve: Serve) -> None:
    world = World()
    first = serve(world=world)
    first.post("/api/copy", {"source": "cria", "destination": MODEL})
    first.stop()
    path = max((world.models / "blobs").iterdir(), key=lambda path: path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with read_only(world.models):
        server = serve(world=world)
        report = server.ask("/api/puna/repair", {"stream": False, "insecure": True})["report"]
        server.stop()
    (finding,) = report["findings"]
    assert finding["state"] == "damaged"
    assert "it stays where it is" in finding["note"]
    assert path.exists()


def test_what_a_read_only_store_cannot_do_says_so(locked: Server) -> None:
    before = locked.blobs()
    data = b"some bytes"
    found = errors(
        locked,
        [
            ("POST", "/api/copy", {"source": MODEL, "destination": "second"}),
            ("DELETE", "/api/delete", {"model": MODEL}),
            ("POST", "/api/create", {"model": "third", "from": MODEL, "system": "x", "stream": False}),
            ("POST", f"/api/blobs/sha256:{hashlib.sha256(data).hexdigest()}", {}),
        ],
    )
    assert {status for status, _ in found.values()} == {500}
    assert [text for _, text in found.values() if str(locked.world.models) not in text] == []
    assert [text for _, text in found.values() if "cannot be written" not in text] == []
    assert locked.blobs() == before
    assert locked.post("/api/show", {"model": MODEL}).status_code == 200


def test_full_disk_is_named_and_nothing_half_written_stays(serve: Serve) -> None:
    world = World()
    world.models.mkdir()
    with mounted(world.models, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        server = serve(world=world)
        data = os.urandom(6_000_000)
        upload = f"/api/blobs/sha256:{hashlib.sha256(data).hexdigest()}"
        answers = [
            server.request("POST", upload, data),
            server.post("/api/copy", {"source": "cria", "destination": "copied"}),
            server.post("/api/create", {"model": "made", "from": "cria", "system": "x", "stream": False}),
        ]
        assert [answer.status_code for answer in answers] == [507] * 3
        assert [answer.text for answer in answers if f"no space left in {world.models}" not in answer.text] == []
        assert server.blobs() == set()
        assert [model["name"] for model in server.get("/api/tags").json()["models"]] == ["cria:latest"]
        server.stop()


def test_entries_that_cannot_be_looked_at_hide_nothing_else(serve: Serve) -> None:
    server = serve()
    server.post("/api/copy", {"source": "cria", "destination": "base"})
    library = server.world.models / "manifests" / "registry.ollama.ai" / "library"
    (library / "base" / "loop").symlink_to("loop")
    (library / "circle").symlink_to("circle")
    with (library / "base" / "huge").open("wb") as file:
        file.truncate(100 << 20)
    os.mkfifo(library / "base" / "pipe")
    assert {model["name"] for model in server.get("/api/tags").json()["models"]} == {"base:latest", "cria:latest"}
    report = server.ask("/api/puna/verify", {"stream": False})["report"]
    assert {entry["model"] for entry in report["broken"]} == {"base:loop", "base:huge", "circle"}
    for name, status, text in (
        ("loop", 500, "cannot be read"),
        ("huge", 500, "larger than"),
        ("pipe", 404, "not found"),
    ):
        answer = server.post("/api/show", {"model": f"base:{name}"})
        assert (answer.status_code, text in answer.json()["error"]) == (status, True)
    assert "model circle is left out of the list" in server.log()
