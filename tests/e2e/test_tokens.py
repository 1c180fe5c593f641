"""Tokens and prompts without an answer, and what says that the server lives."""

import pytest
from tests.e2e.prompting import rendered, user
from tests.server import Server


def test_text_to_tokens_and_back(server: Server) -> None:
    text = "Hello, 世界! <|im_end|>"
    tokens = server.ask("/api/tokenize", {"model": "cria", "text": text})["tokens"]
    assert server.ask("/api/detokenize", {"model": "cria", "tokens": tokens})["text"] == text
    theirs = server.ask("/tokenize", {"model": "cria", "prompt": text, "return_token_strs": True})
    assert theirs["tokens"] == tokens
    assert theirs["count"] == len(tokens) == len(theirs["token_strs"])
    assert theirs["max_model_len"] == 2048, "what a conversation has here, not what the model was trained for"
    asked = server.ask("/tokenize", {"model": "cria", "prompt": text, "options": {"num_ctx": 512}})
    assert asked["max_model_len"] == 512
    assert server.ask("/detokenize", {"model": "cria", "tokens": tokens}) == {"prompt": text}


def test_a_conversation_has_the_tokens_that_are_counted(server: Server) -> None:
    messages = user("How many tokens is this?")
    counted = server.ask("/tokenize", {"model": "cria", "messages": messages})["count"]
    body = {"model": "cria", "messages": messages, "stream": False, "options": {"num_predict": 1}}
    assert server.ask("/api/chat", body)["prompt_eval_count"] == counted


@pytest.mark.parametrize("path", ["/tokenize", "/api/tokenize"])
def test_what_has_no_effect_on_tokens_is_named(server: Server, path: str) -> None:
    body = {"model": "cria", "messages": user("Hi")}
    response = server.post(path, body | {"add_generation_prompt": False, "mm_processor_kwargs": {"a": 1}})
    assert response.headers["Puna-Ignored"] == "add_generation_prompt, mm_processor_kwargs"
    assert "Puna-Ignored" not in server.post(path, body | {"add_generation_prompt": True}).headers


def test_a_prompt_is_what_the_model_gets(server: Server) -> None:
    messages = user("Hi")
    prompt = server.ask("/api/apply_template", {"model": "cria", "messages": messages})["prompt"]
    assert prompt == rendered(server, messages)
    assert server.ask("/apply-template", {"model": "cria", "messages": messages})["prompt"] == prompt


def test_what_is_longer_than_the_context_is_counted(server: Server) -> None:
    messages = [{"role": "user", "content": "hello world " * 400}]
    options = {"num_ctx": 256}
    for path in ("/api/tokenize", "/tokenize"):
        said = server.ask(path, {"model": "cria", "messages": messages, "options": options})
        assert said["count"] == len(said["tokens"]) > 800
        words = server.ask(path, {"model": "cria", "prompt": messages[0]["content"], "options": options})
        assert said["count"] > words["count"] > 800
    prompt = server.ask("/api/apply_template", {"model": "cria", "messages": messages, "options": options})["prompt"]
    assert messages[0]["content"].strip() in prompt


def test_what_is_no_token_is_refused(server: Server) -> None:
    for tokens in ([99_999], [-1], [2**40]):
        response = server.post("/api/detokenize", {"model": "cria", "tokens": tokens})
        assert response.status_code == 400
    assert server.post("/api/tokenize", {"model": "cria"}).status_code == 400
    assert server.post("/tokenize", {"model": "none", "prompt": "a"}).json()["error"]["code"] == "model_not_found"


def test_the_server_lives_and_takes_requests(server: Server) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    assert server.get("/ready").json() == {"status": "ready"}
