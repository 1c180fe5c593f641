"""What was said is found nowhere on the disk and in no log, with the defaults, whatever becomes of a request."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.batches.batching import begin, chat, client_of, finished
from tests.conftest import Serve
from tests.server import Server, wait_for
from websockets.sync.client import connect

MARK = "Quittenmus-8264"
TEXT = f"My secret is {MARK}. " * 12  # long enough for its cache to be saved
ASK = [{"role": "user", "content": TEXT}]
TOOL = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}
SCHEMA = {"type": "object", "properties": {MARK: {"type": "integer"}}, "required": [MARK]}
SEALED = "reasoning.encrypted_content"
FEW = {"num_predict": 4}
TURNS: list[tuple[str, dict[str, Any]]] = [
    ("/api/generate", {"prompt": TEXT, "system": MARK, "options": FEW}),
    ("/api/generate", {"prompt": TEXT, "suffix": MARK, "options": FEW}),
    ("/api/generate", {"prompt": TEXT, "raw": True, "stream": False, "options": {**FEW, "stop": [MARK]}}),
    ("/api/chat", {"messages": ASK, "tools": [TOOL], "options": FEW}),
    ("/api/chat", {"messages": ASK, "format": SCHEMA, "options": {"num_predict": 40}}),
    ("/api/chat", {"messages": ASK, "format": {"type": MARK}}),
    ("/api/chat", {"messages": ASK, "images": [MARK]}),
    ("/api/chat", {"messages": [{"role": "user", "content": TEXT * 40}], "truncate": False}),
    ("/api/chat", {"messages": [{"role": "user", "content": TEXT}] * 40, "options": FEW}),
    ("/api/chat", {"messages": [{"role": MARK, "content": TEXT}]}),
    ("/api/chat", {"messages": MARK}),
    ("/api/embed", {"input": [TEXT, MARK]}),
    ("/api/embeddings", {"prompt": TEXT}),
    ("/api/tokenize", {"text": TEXT}),
    ("/api/apply_template", {"messages": ASK}),
    ("/api/rerank", {"query": TEXT, "documents": [MARK, "x"]}),
    ("/v1/rerank", {"query": TEXT, "documents": [MARK, "x"]}),
    ("/v1/systemone", {"state": TEXT, "questions": {"q": {"type": "noul", "instructions": MARK}}}),
    ("/v1/chat/completions", {"messages": ASK, "max_tokens": 4, "n": 2, "stream": True, "user": MARK}),
    ("/v1/chat/completions", {"messages": ASK, "tools": [TOOL], "tool_choice": "required", "max_tokens": 30}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": TEXT * 40}]}),
    ("/v1/completions", {"prompt": TEXT, "max_tokens": 4, "echo": True}),
    ("/v1/embeddings", {"input": TEXT}),
    ("/v1/moderations", {"input": TEXT}),
    ("/v1/decisions", {"input": TEXT, "questions": [{"question": MARK, "answers": ["a", "b"]}]}),
    ("/v1/responses", {"input": TEXT, "max_output_tokens": 4, "instructions": MARK}),
    (
        "/v1/responses",
        {"input": TEXT, "max_output_tokens": 4, "stream": True, "include": [SEALED]},
    ),
    ("/v1/responses", {"input": TEXT, "max_output_tokens": 4, "background": True}),
    ("/v1/responses/input_tokens", {"input": TEXT}),
    ("/v1/responses/compact", {"input": TEXT, "max_output_tokens": 4}),
    ("/v1/messages", {"messages": ASK, "max_tokens": 4, "stream": True, "metadata": {"user_id": MARK}}),
    ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": MARK}]}], "max_tokens": 4}),
    ("/v1/messages/count_tokens", {"messages": ASK}),
]
"""Requests that succeed and fail, in every dialect; all that is said has the mark in it."""


def found(root: Path) -> list[str]:
    """Return the files that have the mark, as it is or in the letters of base64 or JSON."""
    letters = base64.b64encode(MARK.encode()).decode()[4:-4]
    forms = [MARK.encode(), letters.encode(), MARK.encode("utf-16-le"), MARK.encode().hex().encode()]
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and any(form in path.read_bytes() for form in forms)
    ]


def _statuses(server: Server) -> Iterator[int]:
    for path, body in TURNS:
        yield server.post(path, {"model": "cria", **body}).status_code
    conversation = server.ask("/v1/conversations", {"items": [{"type": "message", "role": "user", "content": TEXT}]})
    yield server.post("/v1/responses", {"model": "cria", "input": MARK, "conversation": conversation["id"]}).status_code
    yield server.post("/api/chat", f'{{"model": "cria", "messages": "{MARK}'.encode()).status_code
    yield server.post(f"/api/{MARK}", {"prompt": MARK}).status_code


def _broken_off(server: Server) -> None:
    """Requests whose clients leave, that are cancelled, and whose runner dies."""
    endless = {"model": "cria", "messages": ASK, "options": {"num_predict": 3000, "ignore_eos": True}}
    for how in ("leave", "cancel", "crash"):
        response = server.post("/api/chat", endless, stream=True, headers={"X-Request-Id": how})
        next(lines := response.iter_lines())
        if how == "cancel":
            server.request("DELETE", f"/api/queue/{how}")
        if how == "crash":
            for runner in server.runners():
                runner.kill()
        if how != "leave":
            list(lines)
        response.close()


def _socket(server: Server) -> None:
    fields = {"type": "response.create", "model": "cria", "input": TEXT, "max_output_tokens": 4}
    with connect(server.url.replace("http", "ws") + "/v1/responses", proxy=None) as link:
        for message in (fields, {**fields, "type": MARK}, {**fields, "store": False}):
            link.send(json.dumps(message))
            while json.loads(link.recv(60))["type"] not in ("response.completed", "response.incomplete", "error"):
                pass


def test_what_was_said_is_found_nowhere(serve: Serve) -> None:
    server = serve()
    assert {200, 400} <= set(_statuses(server)) <= {200, 400, 404}
    _broken_off(server)
    _socket(server)
    server.ask("/api/generate", {"model": "cria", "keep_alive": 0, "stream": False})
    wait_for(lambda: not server.get("/api/ps").json()["models"])
    assert list(server.world.models.rglob("puna/sessions/*/*")), "a session was saved, as tokens"
    assert found(server.world.root) == []
    server.faults_expected = False
    server.stop()
    assert found(server.world.root) == []


def test_batches_keep_what_they_are_given_until_their_files_go(serve: Serve) -> None:
    server = serve()
    client = client_of(server)
    done = finished(client, begin(client, [chat("a", TEXT)]).id)
    assert done.status == "completed" and done.output_file_id
    kept = found(server.world.root)
    assert kept and all(path.startswith(("home/.puna/files/", "home/.puna/batches.db")) for path in kept)
    client.files.delete(done.input_file_id)
    client.files.delete(done.output_file_id)
    server.stop()
    assert found(server.world.root) == []
