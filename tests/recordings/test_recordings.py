"""The recorder: what reached a model is kept, sealed and bounded, and can be asked again in its own dialect."""

import json
import os
import sqlite3
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Serve
from tests.keys.conftest import bearer, key_of
from tests.server import Server, World, wait_for
from websockets.sync.client import connect

MARK = "marzipan-4711"
PATH = "/api/puna/recordings"
ON = {"PUNA_RECORD": "1"}
SHORT = {"num_predict": 6}
TURNS: dict[str, dict[str, Any]] = {
    "/api/generate": {"prompt": MARK, "options": SHORT},
    "/api/chat": {"messages": [{"role": "user", "content": MARK}], "options": SHORT, "stream": False},
    "/api/embed": {"input": MARK},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": MARK}], "max_tokens": 6, "n": 2, "stream": True},
    "/v1/completions": {"prompt": MARK, "max_tokens": 6},
    "/v1/responses": {"input": MARK, "max_output_tokens": 6, "stream": True},
    "/v1/messages": {"messages": [{"role": "user", "content": MARK}], "max_tokens": 6, "stream": True},
    "/v1/rerank": {"query": MARK, "documents": ["a", "b"]},
    "/v1/decisions": {"input": MARK, "questions": [{"instructions": "Is it sweet?", "type": "predicate"}]},
    "/v1/systemone": {"state": MARK, "questions": {"q": {"type": "noul", "instructions": "Is it sweet?"}}},
}

SCORES = ("/v1/rerank", "/v1/decisions", "/v1/systemone")
"""Numbers, which depend on what is cached."""


@pytest.fixture(scope="module")
def recording() -> Iterator[Server]:
    world = World(ON)
    server = Server(world)
    yield server
    server.stop()
    assert "Traceback" not in server.log()
    assert world.close() == []


def heads(server: Server, count: int = 1, **more: Any) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = server.get(PATH, **more).json()["recordings"]
        return found if len(found) >= count else []

    return wait_for(look)


def asked(server: Server, path: str, **more: Any) -> dict[str, Any]:
    """Return what is listed of one more request to ``path``."""
    before = {head["id"] for head in server.get(PATH).json()["recordings"]}
    response = server.post(path, {"model": "cria", **TURNS[path], **more}, headers={"X-Api-Key": "none"})
    assert response.status_code == 200, response.text
    return wait_for(lambda: [head for head in heads(server) if head["id"] not in before])[0]


@pytest.mark.parametrize("path", TURNS)
def test_a_turn_is_asked_again_in_its_own_dialect(recording: Server, path: str) -> None:
    head = asked(recording, path)
    assert (head["method"], head["path"], head["status"], head["outcome"]) == ("POST", path, 200, "done")
    assert head["model"] == "cria:latest" and len(head["model_digest"]) == 64 and head["engine"]
    assert head["options"]["seed"] >= 0 and head["duration"] > 0
    kept = recording.get(f"{PATH}/{head['id']}").json()
    assert kept["body"] == {"model": "cria", **TURNS[path]}
    assert kept["sent"] and "none" not in str(kept["headers"])
    found = recording.ask(f"{PATH}/{head['id']}/replay", {})
    before, after = found["recorded"], found["replayed"]
    assert (after["path"], after["status"], after["replay_of"]) == (path, 200, head["id"])
    assert after["answer"] == before["answer"] != "" or path in SCORES
    assert after["prompt_digest"] == before["prompt_digest"]
    assert after["options"] == before["options"]


def test_a_replay_differs_in_what_is_asked_for(recording: Server) -> None:
    head = asked(recording, "/v1/chat/completions", n=1)
    recording.post("/api/copy", {"source": "cria", "destination": "other"})
    other = recording.ask(f"{PATH}/{head['id'][:10]}/replay", {"model": "other", "options": {"num_predict": 3}})
    after = other["replayed"]
    assert (after["model"], after["generated"], after["options"]["num_predict"]) == ("other:latest", 3, 3)
    assert after["options"]["seed"] == head["options"]["seed"]
    missing = recording.ask(f"{PATH}/{head['id']}/replay", {"model": "nobody"})["replayed"]
    assert missing["status"] == 404 and "not found" in missing["answer"]
    assert recording.post(f"{PATH}/{head['id']}/replay", {"engine": "nobody"}).status_code == 404
    assert recording.post(f"{PATH}/nobody/replay", {}).status_code == 404


def test_another_engine(recording: Server) -> None:
    native = os.environ.get("PUNA_TEST_NATIVE")
    if not native:
        pytest.skip("PUNA_TEST_NATIVE names no llama-server")
    head = asked(recording, "/api/chat")
    found = recording.ask(f"{PATH}/{head['id']}/replay", {"engine": native})
    assert native in found["replayed"]["engine"]
    assert found["recorded"]["engine"] != found["replayed"]["engine"]
    again = asked(recording, "/api/chat")  # it was for that one request only
    assert again["engine"] == found["recorded"]["engine"]


def test_a_response_in_the_background(recording: Server) -> None:
    head = asked(recording, "/v1/responses", background=True, stream=False)
    assert (head["outcome"], head["generated"]) == ("done", 6)
    found = recording.ask(f"{PATH}/{head['id']}/replay", {})
    assert found["replayed"]["answer"] == found["recorded"]["answer"] != ""


def test_a_turn_over_a_socket_is_asked_again_by_itself(recording: Server) -> None:
    fields = {"type": "response.create", "model": "cria", "max_output_tokens": 6, "store": False}
    with connect(recording.url.replace("http", "ws", 1) + "/v1/responses", proxy=None) as link:
        name = ""
        for text in ("one", "two"):
            link.send(
                json.dumps(
                    {**fields, "input": text, "previous_response_id": name} if name else fields | {"input": text}
                )
            )
            while (event := json.loads(link.recv(60)))["type"] not in ("response.completed", "response.incomplete"):
                assert event["type"] != "error", event
            name = event["response"]["id"]
    head = wait_for(lambda: [head for head in heads(recording) if head["path"] == "/v1/responses"])[0]
    found = recording.ask(f"{PATH}/{head['id']}/replay", {})
    assert found["replayed"]["prompt_digest"] == found["recorded"]["prompt_digest"] != ""
    assert found["replayed"]["answer"] == found["recorded"]["answer"]


def test_the_command(recording: Server) -> None:
    head = asked(recording, "/api/chat")
    asking = copy(recording.world)
    asking.environment = recording.world.environment | {"OLLAMA_HOST": recording.url}

    def puna(*arguments: str) -> str:
        done = asking.run("replay", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert head["id"] in puna("--list", "--since", "1h")
    same = puna(head["id"])
    assert "The answers are the same." in same and "tokens/s" in same
    other = puna(head["id"], "--option", "num_predict=2")
    assert "num_predict" in other and "│" in other
    many = puna("--since", "1h", "--option", "num_predict=2", "--model", "cria")
    assert "in all" in many
    assert json.loads(puna("--show", head["id"]))["body"]["model"] == "cria"
    assert "removed 1 recording" in puna("--remove", head["id"])
    assert recording.get(f"{PATH}/{head['id']}").status_code == 404


def test_nothing_lies_there_readable(recording: Server) -> None:
    head = asked(recording, "/api/chat")
    home = recording.world.home / ".puna"
    for path in home.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert MARK.encode() not in data and head["request"].encode() not in data, path
    assert (home / "recordings.db").stat().st_mode & 0o077 == 0
    assert (home / "record.key").stat().st_mode & 0o077 == 0
    assert MARK not in recording.log()


def test_nothing_is_kept_by_default(server: Server) -> None:
    server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"]})
    assert server.get(PATH).json() == {"recording": False, "recordings": []}
    assert not (server.world.home / ".puna" / "recordings.db").exists()


def test_it_is_for_admins_alone(serve: Serve) -> None:
    server = serve(ON)
    root = key_of(server.world, "root", scopes=["admin"])
    app = key_of(server.world, "app", scopes=["infer"])
    body = {"model": "cria", **TURNS["/api/chat"]}
    assert server.post("/api/chat", body, headers=bearer(app)).status_code == 200
    (head,) = heads(server, headers=bearer(root))
    assert head["key"] == "app"
    assert app not in json.dumps(server.get(f"{PATH}/{head['id']}", headers=bearer(root)).json())
    for method, path in (("GET", PATH), ("GET", f"{PATH}/{head['id']}"), ("POST", f"{PATH}/{head['id']}/replay")):
        assert server.request(method, path, {}, headers=bearer(app)).status_code == 403
    assert server.request("DELETE", f"{PATH}/all", headers=bearer(app)).status_code == 403


def test_size_and_age_are_bounded(serve: Serve) -> None:
    server = serve(ON | {"PUNA_RECORD_SIZE": "8000", "PUNA_RECORD_AGE": "3600s"})
    for number in range(12):
        server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"], "seed": number})
    server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"], "unknown": os.urandom(8000).hex()})
    wait_for(lambda: "too large to be recorded" in server.log())
    kept = heads(server)
    assert 1 < len(kept) < 12
    assert [head["created"] for head in kept] == sorted((head["created"] for head in kept), reverse=True)
    with sqlite3.connect(server.world.home / ".puna" / "recordings.db") as connection:
        assert connection.execute("SELECT sum(size) FROM recordings").fetchone()[0] <= 8000
        connection.execute("UPDATE recordings SET created = created - 7200")
    connection.close()
    server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"]})
    wait_for(lambda: len(server.get(PATH).json()["recordings"]) == 1)


def test_what_is_too_old_goes_from_a_server_that_records_no_more(serve: Serve) -> None:
    server = serve(ON)
    server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"]})
    heads(server)
    server.stop()
    with sqlite3.connect(server.world.home / ".puna" / "recordings.db") as connection:
        connection.execute("UPDATE recordings SET created = created - 8 * 24 * 3600")
    connection.close()
    del server.world.environment["PUNA_RECORD"]
    server = serve(world=server.world)
    wait_for(lambda: server.get(PATH).json() == {"recording": False, "recordings": []})


def test_a_lost_key_is_said_clearly(serve: Serve) -> None:
    server = serve(ON)
    server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"]})
    (head,) = heads(server)
    server.kill()  # what was written is there
    key = server.world.home / ".puna" / "record.key"
    old = key.read_bytes()
    key.unlink()
    server = serve(world=server.world)
    assert "1 recordings cannot be opened: they were made with another key" in server.log()
    for path in (PATH, f"{PATH}/{head['id']}"):
        refused = server.get(path)
        assert refused.status_code == 409 and "another key" in refused.json()["error"]
    server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"]})  # and goes on with a key of its own
    wait_for(lambda: len(server.get(PATH).json().get("recordings", ())) == 1)
    key.write_bytes(old)
    assert server.get(f"{PATH}/{head['id']}").json()["path"] == "/api/chat"
    assert server.request("DELETE", f"{PATH}/all").json() == {"removed": 2}


def test_a_key_file_of_ones_own(world: World) -> None:
    path = world.home / "my.key"
    world.environment |= ON | {"PUNA_RECORD_KEY": str(path)}
    gone = world.run("serve", "--exit-with-stdin")
    assert gone.returncode == 1 and f"No such file or directory: {path}" in gone.stderr
    path.write_bytes(b"short")
    short = world.run("serve", "--exit-with-stdin")
    assert short.returncode == 1 and "at least 16 random bytes" in short.stderr
    assert not list(Path(world.home).glob(".puna/record*"))


def test_a_disk_that_takes_nothing_stops_no_request(serve: Serve) -> None:
    server = serve(ON)
    (server.world.home / ".puna").mkdir(exist_ok=True)
    (server.world.home / ".puna" / "recordings.db").mkdir()  # cannot be opened, as on a disk that is full
    server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"]})
    wait_for(lambda: "requests are not recorded" in server.log())
    server.ask("/api/chat", {"model": "cria", **TURNS["/api/chat"]})
    assert server.get(PATH).status_code == 500
