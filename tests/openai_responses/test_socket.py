"""The WebSocket: what Codex and the official client do over it."""

import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from openai.types.responses.responses_server_event import ResponseWsError
from tests.conftest import Serve
from tests.openai_responses.shapes import ENDS, Streamed, in_order
from tests.server import Server, wait_for
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from openai import OpenAI
from puna.api.http.body import Body
from puna.api.openai.responses.socket import _Session

ASK = {"type": "response.create", "model": "cria", "temperature": 0, "max_output_tokens": 8, "store": False}


def url(server: Server, path: str = "/v1/responses") -> str:
    return server.url.replace("http", "ws", 1) + path


@pytest.fixture
def socket(server: Server) -> Iterator[ClientConnection]:
    with connect(url(server), proxy=None) as link:
        yield link


def ask(link: ClientConnection, **fields: Any) -> Streamed:
    link.send(json.dumps(ASK | fields))
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in ENDS:
        events.append(json.loads(link.recv(60)))
        assert events[-1]["type"] != "error", events[-1]
    return in_order(events)


@pytest.mark.filterwarnings("ignore:connect..")  # the official client uses it in an older way
def test_official_client_speaks_it(client: OpenAI) -> None:
    with client.responses.connect() as link:
        link.response.create(model="cria", input="Hello", max_output_tokens=8, temperature=0)
        said = ""
        for event in link:
            if event.type == "response.output_text.delta":
                said += event.delta
            if event.type in ENDS:
                assert event.response.output_text == said != ""  # type: ignore[union-attr]
                break


def test_turns_go_on_from_each_other_without_a_store(server: Server, socket: ClientConnection) -> None:
    first = ask(socket, input="What is 2+2?").response
    second = ask(socket, input="And 3+3?", previous_response_id=first["id"]).response
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]
    assert second["usage"]["input_tokens_details"]["cached_tokens"] > 0
    assert server.get(f"/v1/responses/{first['id']}").status_code == 404
    socket.send(json.dumps({"type": "response.processed", "response_id": second["id"]}))
    assert ask(socket, input="Again").response["output"]


def test_response_can_be_prepared(socket: ClientConnection) -> None:
    prepared = ask(socket, input="What is 2+2?", generate=False)
    assert prepared.types == ["created", "in_progress", "completed"]
    assert prepared.response["usage"]["input_tokens"] > 0
    assert prepared.response["output"] == []
    assert ask(socket, input=[], previous_response_id=prepared.response["id"]).response["output"]


@pytest.mark.parametrize(
    ("message", "status", "code", "words"),
    [
        ("{", 400, None, "invalid JSON"),
        ("[]", 400, None, "must be a JSON object"),
        ('{"type": "x"}', 400, None, 'events of the type "x"'),
        ('{"type": "response.steer"}', 400, None, "not changed once it has begun"),
        (json.dumps(ASK | {"model": "nope", "input": "a"}), 404, "model_not_found", "model 'nope' not found"),
        (json.dumps(ASK | {"input": "a", "background": True, "store": True}), 400, None, "background: not over"),
        (
            json.dumps(ASK | {"input": "a", "previous_response_id": "resp_x"}),
            400,
            "previous_response_not_found",
            "Previous response with id 'resp_x' not found.",
        ),
    ],
)
def test_what_is_wrong_is_told_and_the_connection_goes_on(
    socket: ClientConnection, message: str, status: int, code: str | None, words: str
) -> None:
    socket.send(message)
    told = json.loads(socket.recv(60))
    assert (told["type"], told["status"], told["error"]["code"]) == ("error", status, code)
    assert words in told["error"]["message"]
    assert ask(socket, input="Hello").response["output"]


def test_what_is_wrong_names_its_stream(socket: ClientConnection) -> None:
    for wrong in (ASK | {"model": "nope", "input": "a"}, ASK | {"input": 5}, {"type": "x"}):
        socket.send(json.dumps(wrong | {"stream_id": "lane"}))
        told = json.loads(socket.recv(60))
        assert (told["type"], told["stream_id"]) == ("error", "lane")
        ResponseWsError.model_validate(told, strict=True)


def test_what_was_said_is_lost_by_a_turn_that_fails_and_by_nothing_else(socket: ClientConnection) -> None:
    first = ask(socket, input="What is 2+2?").response["id"]
    for wrong in ("{", '{"type": "response.steer"}'):
        socket.send(wrong)
        assert json.loads(socket.recv(60))["type"] == "error"
    second = ask(socket, input="And 3+3?", previous_response_id=first).response["id"]
    for name in ("nope", "cria"):
        socket.send(json.dumps(ASK | {"model": name, "input": "a", "previous_response_id": second}))
        assert json.loads(socket.recv(60))["type"] == "error"


def test_what_is_remembered_is_no_larger_than_a_request_may_be(serve: Serve) -> None:
    server = serve({"PUNA_MAX_BODY": "20K"})
    passed = {"type": "ghost_snapshot", "content": "x" * 8000}
    with connect(url(server), proxy=None) as link:
        first = ask(link, input=[{"role": "user", "content": "Hello"}, passed]).response["id"]
        second = ask(link, input=[passed], previous_response_id=first).response["id"]
        third = ask(link, input=[passed], previous_response_id=second).response["id"]
        link.send(json.dumps(ASK | {"input": "Hello", "previous_response_id": third}))
        assert json.loads(link.recv(60))["error"]["code"] == "previous_response_not_found"
        assert ask(link, input="Hello", previous_response_id="").response["output"]


@pytest.mark.parametrize("path", ["/v1/responses", "/openai/v1/responses", "/responses"])
def test_paths(server: Server, path: str) -> None:
    with connect(url(server, path), proxy=None) as link:
        assert ask(link, input="Hello", stream_id="s").events[0]["stream_id"] == "s"


def test_client_that_goes_away_ends_its_generation(server: Server) -> None:
    with connect(url(server), proxy=None) as link:
        body = {"input": "Tell me a story.", "max_output_tokens": 20_000, "truncation": "auto", "ignore_eos": True}
        link.send(json.dumps(ASK | body | {"keep_alive": "5m"}))
        while json.loads(link.recv(60))["type"] != "response.output_text.delta":
            pass
    wait_for(lambda: not server.get("/api/queue").json()["running"], 20)


def test_the_gate_guards_it(serve: Serve) -> None:
    server = serve({"OLLAMA_BASIC_AUTH": "user:secret"})
    with pytest.raises(InvalidStatus) as refused, connect(url(server), proxy=None):
        pass
    response = refused.value.response
    assert (response.status_code, response.headers["WWW-Authenticate"][:5]) == (401, "Basic")
    assert json.loads(response.body or b"")["error"]["message"] == "unauthorized"
    with connect(url(server).replace("ws://", "ws://user:secret@"), proxy=None) as link:
        assert ask(link, input="Hello").response["output"]
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        with (
            pytest.raises(InvalidStatus, match=r"40[03]"),
            connect(url(server).replace("ws://", "ws://user:secret@"), proxy=None, additional_headers=headers),
        ):
            pass


def test_other_paths_stay_http(server: Server) -> None:
    with pytest.raises(InvalidStatus, match="200"), connect(url(server, "/api/version"), proxy=None):
        pass


async def test_a_large_message_is_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[threading.Thread] = []

    def read(model: type[Body], _text: bytes, _path: str) -> Body:
        readers.append(threading.current_thread())
        return model.model_validate({"type": "response.processed"})

    monkeypatch.setattr("puna.api.http.body.validated", read)
    session = SimpleNamespace(_socket=SimpleNamespace(url=SimpleNamespace(path="/v1/responses")))
    for text in (b"{}", b"{" + b" " * (1 << 17) + b"}"):
        await _Session._answer(cast("_Session", session), text)
    assert [reader is threading.main_thread() for reader in readers] == [True, False]


def test_a_socket_is_left_alone_by_the_patience_for_requests(serve: Serve) -> None:
    server = serve({"PUNA_CLIENT_TIMEOUT": "1"})
    with connect(url(server), proxy=None) as link:
        time.sleep(3)
        assert ask(link, model="cria", input="Hi", max_output_tokens=2).events[-1]["type"] == "response.incomplete"
    with connect(url(server), proxy=None):
        pass
    time.sleep(3)
    assert server.get("/api/version").ok
    assert "Traceback" not in server.log()
