"""Thinking: asked for or not, kept apart from the answer, refused where a model cannot."""

from typing import Any

import pytest
from tests.e2e.prompting import chat, chat_stream, make, refusal, rendered, user
from tests.server import Server

QUESTION = user("What is 3 + 4?")
LEVELS = ("low", "medium", "high", "max")


@pytest.fixture(params=["engine", "go"])
def model(request: pytest.FixtureRequest, go_model: str) -> str:
    """The built-in model by either path."""
    return "cria" if request.param == "engine" else go_model


def grammar(text: str) -> dict[str, Any]:
    """Return options that make the model write ``text``."""
    letters = " ".join(f"[\\U{ord(letter):08X}]" for letter in text)
    return {"grammar": f"root ::= {letters}", "num_predict": 100}


@pytest.mark.parametrize("think", [True, *LEVELS])
def test_thinking_is_kept_apart(server: Server, model: str, think: Any) -> None:
    answer = chat(server, QUESTION, model, think=think)["message"]
    assert answer["thinking"]
    assert answer["content"]
    assert "think>" not in answer["thinking"] + answer["content"]
    assert answer["thinking"] == answer["thinking"].strip()
    assert answer["content"] == answer["content"].strip()


@pytest.mark.parametrize("think", [False, None])
def test_no_thinking_where_none_is_asked_for(server: Server, model: str, think: Any) -> None:
    answer = chat(server, QUESTION, model, think=think)["message"]
    assert "thinking" not in answer
    assert answer["content"]


def test_thinking_is_streamed_first(server: Server, model: str) -> None:
    answer = chat_stream(server, QUESTION, model, think=True)
    kinds = ["thinking" if "thinking" in piece["message"] else "content" for piece in answer["pieces"]]
    assert kinds == sorted(kinds, reverse=True)
    assert {*kinds} == {"thinking", "content"}
    assert all(
        not ("thinking" in part and part["content"]) for part in (piece["message"] for piece in answer["pieces"])
    )


def test_generate_thinks_too(server: Server, model: str) -> None:
    body = {"model": model, "prompt": "What is 3 + 4?", "think": True, "options": {"temperature": 0, "num_predict": 80}}
    whole = server.ask("/api/generate", body | {"stream": False})
    assert whole["thinking"]
    assert whole["response"]
    lines = server.stream("/api/generate", body)
    assert "".join(line.get("thinking", "") for line in lines) == whole["thinking"]
    assert "".join(line["response"] for line in lines) == whole["response"]
    answer = chat(server, QUESTION, model, think=True)["message"]
    assert (answer["thinking"], answer["content"]) == (whole["thinking"], whole["response"])


@pytest.mark.parametrize("space", ["", "\n", " \n\n "])
def test_tag_in_pieces_is_one_tag(server: Server, go_model: str, space: str) -> None:
    """The grammar has the tag written letter by letter, so that it comes in several tokens."""
    options = grammar(f"so < it / is{space}</think>{space}seven </think> eight")
    for ask in (chat, chat_stream):
        answer = ask(server, QUESTION, go_model, think=True, options=options)["message"]
        assert (answer["thinking"], answer["content"]) == ("so < it / is", "seven </think> eight")


def test_thinking_that_never_ends_is_thinking(server: Server, model: str) -> None:
    for ask in (chat, chat_stream):
        answer = ask(server, QUESTION, model, think=True, options={"num_predict": 2})
        assert answer["done_reason"] == "length"
        assert answer["message"]["thinking"]
        assert answer["message"]["content"] == ""


def test_model_says_whether_to_think_and_the_request_wins(server: Server) -> None:
    model = make(server, "thinks", parameters={"think": True})
    assert rendered(server, QUESTION, model).endswith("<think>\n")
    assert not rendered(server, QUESTION, model, think=False).endswith("<think>\n")
    assert not rendered(server, QUESTION).endswith("<think>\n"), "the built-in model does not by itself"
    assert rendered(server, QUESTION, think=True).endswith("<think>\n")


@pytest.mark.parametrize("think", ["very", "", "true", "High"])
def test_unknown_level_is_refused(server: Server, think: str) -> None:
    error = refusal(server, "/api/chat", messages=QUESTION, think=think)
    assert error == f'invalid think value: "{think}" (must be "high", "medium", "low", "max", true, or false)'
    assert refusal(server, "/api/generate", prompt="x", think=think) == error


@pytest.mark.parametrize("think", [1, 1.5, [], {}])
def test_wrong_type_is_refused(server: Server, think: Any) -> None:
    assert "think" in refusal(server, "/api/chat", messages=QUESTION, think=think)


def test_model_that_cannot_think_refuses(server: Server) -> None:
    model = make(server, "no-thinking", template="{{ .Prompt }}!", parser="passthrough")
    for think in (True, "low"):
        error = refusal(server, "/api/chat", model=model, messages=QUESTION, think=think)
        assert error == '"no-thinking" does not support thinking'
    assert chat(server, QUESTION, model, think=False, options={"num_predict": 1})["done"] is True
    assert chat(server, QUESTION, model, options={"num_predict": 1})["done"] is True
    assert "thinking" not in server.ask("/api/show", {"model": model})["capabilities"]


@pytest.mark.parametrize(("budget", "most"), [(0, 1), (3, 3)])
@pytest.mark.parametrize("how", [{}, {"format": "json"}], ids=["free", "json"])
def test_thoughts_keep_to_their_budget(server: Server, model: str, budget: int, most: int, how: dict[str, Any]) -> None:
    question = user("What is 12 plus 30?")
    options = {"temperature": 0, "num_predict": 60}
    free = chat(server, question, model, think=True, options=options, **how)["message"]
    bound = chat(server, question, model, think=True, options=options | {"thinking_budget": budget}, **how)["message"]
    tokens = len(bound.get("thinking", "").split())
    assert tokens <= most < len(free["thinking"].split())
    assert bound["content"]


def test_a_grammar_says_where_thoughts_end(server: Server, model: str) -> None:
    """The engine cannot end them where its grammar does not: it answered with its own exception."""
    options = grammar("one two three</think>four") | {"thinking_budget": 1}
    answer = chat(server, QUESTION, model, think=True, options=options)["message"]
    assert (answer["thinking"], answer["content"]) == ("one two three", "four")
