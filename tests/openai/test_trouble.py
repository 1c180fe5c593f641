"""What a client is told when something fails on the way, and while it waits."""

import json
from pathlib import Path

import requests
from tests.conftest import Serve
from tests.openai.asking import user
from tests.server import Server

from puna.api.openai.audio import TranscriptEncoder
from puna.api.openai.encoder import ChatEncoder
from puna.api.openai.schemas import ChatBody, CompletionBody
from puna.api.openai.text_encoder import TextEncoder
from puna.api.openai.usage import Head
from puna.api.prefixes import Fingerprint, Prefixes
from puna.inference.requests import Conversation
from puna.models.library import Library

ENDLESS = {"model": "cria", "messages": user("Go on."), "stream": True, "ignore_eos": True, "shift": True}


def test_error_is_the_last_piece_of_a_stream(serve: Serve) -> None:
    server = serve()
    server.faults_expected = True
    with requests.post(f"{server.url}/v1/chat/completions", json=ENDLESS, stream=True, timeout=60) as response:
        lines = (line for line in response.iter_lines() if line)
        assert json.loads(next(lines).removeprefix(b"data: "))["choices"]
        for runner in server.runners():
            runner.kill()
        *_, last = lines
    told = json.loads(last.removeprefix(b"data: "))
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert told["error"]["type"] == "api_error"


def test_error_before_a_stream_has_a_status(server: Server) -> None:
    body = {"model": "cria", "messages": user("sea " * 600), "stream": True, "num_ctx": 256}
    response = server.post("/v1/chat/completions", body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert response.headers["content-type"].startswith("application/json")


def test_clients_are_told_to_wait() -> None:
    model = Library(Path()).get("cria")
    head = Head("x", "1", model, "m", "o")
    comparison = Prefixes().compare("", Fingerprint.of(model, Conversation(messages=())))
    for encoder in (
        ChatEncoder(ChatBody(), head, comparison),
        TextEncoder(CompletionBody(), head, [""], 1),
        TranscriptEncoder(logprobs=False),
    ):
        assert encoder.still() == b": still working\n\n"
