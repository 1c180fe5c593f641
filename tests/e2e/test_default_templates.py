"""Model files without a template of their own."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.prompting import chat, refusal, rendered, user
from tests.server import Server

from puna.models.library import Library

TURNS = [{"role": "system", "content": "RULES"}, *user("ONE"), {"role": "assistant", "content": "TWO"}, *user("THREE")]


def without(names: list[bytes], folder: Path) -> bytes:
    """Return the built-in model's file with these names of its header made unknown; no length changes."""
    data = Library(folder).get("cria").path.read_bytes()
    for name in names:
        assert data.count(name) >= 1
        data = data.replace(name, name.swapcase() if name.swapcase() != name else b"?" * len(name))
    return data


def create(server: Server, name: str, data: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert server.post(f"/api/blobs/{digest}", data).status_code == 201
    server.ask("/api/create", {"model": name, "files": {"model.gguf": digest}, "stream": False})
    return name


@pytest.fixture(scope="module")
def chatml(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file that has the tokens of ChatML's turns, and no template."""
    data = without([b"tokenizer.chat_template"], tmp_path_factory.mktemp("store"))
    return create(shared_server, "no-template", data)


def test_turns_are_those_of_the_vocabulary(server: Server, chatml: str) -> None:
    expected = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in TURNS)
    assert rendered(server, TURNS, chatml) == expected + "<|im_start|>assistant\n" == rendered(server, TURNS)


def test_answer_is_the_same_as_with_the_model_s_own(server: Server, chatml: str) -> None:
    options = {"repeat_penalty": 1.0, "temperature": 0, "num_predict": 40}
    answers = [chat(server, user("Hello!"), name, options=options) for name in ("cria", chatml)]
    assert answers[0]["message"] == answers[1]["message"]
    assert answers[0]["done_reason"] == answers[1]["done_reason"]


def test_log_says_so_once(server: Server, chatml: str) -> None:
    for _ in range(2):
        chat(server, user("Hello!"), chatml, options={"num_predict": 1})
    assert server.log().count("model no-template:latest has no template of its own; using '{{- range .Messages }}") == 1


def test_only_what_the_template_can_do_is_promised(server: Server, chatml: str) -> None:
    assert server.ask("/api/show", {"model": chatml})["capabilities"] == ["completion", "insert"]
    tool: dict[str, Any] = {"type": "function", "function": {"name": "f"}}
    assert "does not support tools" in refusal(server, "/api/chat", model=chatml, messages=TURNS, tools=[tool])
    assert "does not support thinking" in refusal(server, "/api/chat", model=chatml, messages=TURNS, think=True)


def test_text_goes_on_where_no_turns_are_known(server: Server, tmp_path: Path) -> None:
    names = [b"tokenizer.chat_template", b"<|im_start|>", b"tokenizer.ggml.fim_mid_token_id"]
    model = create(server, "no-turns", without(names, tmp_path))
    assert rendered(server, user("Once upon"), model) == "Once upon"
    assert server.ask("/api/show", {"model": model})["capabilities"] == ["completion"]
    assert chat(server, user("Once upon"), model, options={"num_predict": 2})["done"] is True
    error = refusal(server, "/api/generate", model=model, prompt="a", suffix="b")
    assert error == '"no-turns" does not support insert'
