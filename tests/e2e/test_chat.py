"""``/api/chat``: shapes, roles, tools, thinking, what is refused."""

import json
from typing import Any

import pytest
from tests.server import Server

SHORT = {"num_predict": 8, "seed": 1, "temperature": 1.5}
HELLO = [{"role": "user", "content": "你好"}]
LINE_ENDS = "a\u2028b\u2029c\x85d – e"
RARE = "饕餮盛宴,𠮷野家🦙"


def ask(server: Server, **body: Any) -> dict[str, Any]:
    return server.ask("/api/chat", {"model": "cria", "stream": False, "messages": HELLO, "options": SHORT} | body)


def rendered(server: Server, **body: Any) -> str:
    text: str = ask(server, _debug_render_only=True, **body)["_debug_info"]["rendered_template"]
    return text


def test_whole_answer(server: Server) -> None:
    answer = ask(server)
    assert answer["message"]["role"] == "assistant"
    assert answer["message"]["content"]
    assert answer["done"] is True
    assert "context" not in answer
    assert answer["prompt_eval_count"] > 0
    assert answer["eval_count"] > 0


def test_stream_is_the_default_and_the_same_text(server: Server) -> None:
    *pieces, last = server.stream("/api/chat", {"model": "cria", "messages": HELLO, "options": SHORT})
    assert all(set(piece) == {"model", "created_at", "message", "done"} and not piece["done"] for piece in pieces)
    assert last["message"] == {"role": "assistant", "content": ""}
    assert last["done_reason"] in {"stop", "length"}
    assert "".join(piece["message"]["content"] for piece in pieces) == ask(server)["message"]["content"]


def test_no_character_is_ever_cut(server: Server) -> None:
    options = {"grammar": f'root ::= "{RARE}"', "num_predict": 64}
    lines = server.stream("/api/chat", {"model": "cria", "messages": HELLO, "options": options})
    assert "".join(line["message"]["content"] for line in lines) == RARE
    assert lines[-1]["eval_count"] > len(RARE)


@pytest.mark.parametrize(
    "path", ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/messages", "/v1/responses"]
)
def test_readers_of_text_see_no_line_end_within_an_answer(server: Server, path: str) -> None:
    grammar = f'root ::= "{LINE_ENDS}"'
    asked = {"input": "x"} if path == "/v1/responses" else {"messages": HELLO, "prompt": "x", "max_tokens": 64}
    body = {"model": "cria", "stream": True, "think": False, "options": {"grammar": grammar}} | asked
    response = server.post(path, body)
    assert response.status_code == 200, response.text
    objects = [json.loads(line[line.index("{") :]) for line in response.text.splitlines() if "{" in line]
    said = "".join(map(pieces_of, objects))
    assert said == LINE_ENDS


def pieces_of(piece: dict[str, Any]) -> str:
    """Return what a piece of any dialect's stream says."""
    match piece:
        case {"message": {"content": str(text)}} | {"response": str(text)}:
            return text
        case {"choices": [{"delta": {"content": str(text)}}]} | {"delta": {"text": str(text)}}:
            return text
        case {"type": "response.output_text.delta", "delta": str(text)}:
            return text
    return ""


def test_limit_and_stop_are_told_apart(server: Server) -> None:
    options = {"grammar": 'root ::= "one two three"', "num_predict": 32}
    assert ask(server, options=options)["done_reason"] == "stop"
    limited = ask(server, options={"num_predict": 2, "ignore_eos": True})
    assert (limited["done_reason"], limited["eval_count"]) == ("length", 2)
    stopped = ask(server, options=options | {"stop": ["two"]})
    assert (stopped["done_reason"], stopped["message"]["content"]) == ("stop", "one ")


def test_no_messages_load_and_unload(server: Server) -> None:
    loaded = server.ask("/api/chat", {"model": "cria", "messages": []})
    assert loaded["message"] == {"role": "assistant", "content": ""}
    assert (loaded["done"], loaded["done_reason"]) == (True, "load")
    assert server.ask("/api/chat", {"model": "cria", "keep_alive": 0})["done_reason"] == "unload"


def test_every_turn_reaches_the_model(server: Server) -> None:
    messages = [
        {"role": "system", "content": "SYSTEM"},
        {"role": "user", "content": "ONE"},
        {"role": "assistant", "content": "TWO"},
        {"role": "user", "content": "THREE"},
    ]
    text = rendered(server, messages=messages)
    places = [text.index(word) for word in ("SYSTEM", "ONE", "TWO", "THREE")]
    assert places == sorted(places)


@pytest.mark.parametrize("fields", [{}, {"think": True, "options": SHORT | {"stop": ["Zebra"]}}])
def test_an_answer_that_is_gone_on_with_is_not_said_again(server: Server, fields: dict[str, Any]) -> None:
    messages = [*HELLO, {"role": "assistant", "content": "Zebra"}, {"role": "assistant", "content": " stripes"}]
    for begun in (messages[:2], messages):
        answer = ask(server, messages=begun, **fields)["message"]["content"]
        assert answer
        assert "Zebra" not in answer
        assert rendered(server, messages=begun, **fields).endswith(begun[-1]["content"])


def test_tools_reach_the_model(server: Server) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "the weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    call = {"function": {"name": "get_weather", "arguments": {"city": "Köln"}}}
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_name": "get_weather", "content": "rain"},
    ]
    text = rendered(server, messages=messages, tools=[tool])
    assert "the weather" in text
    assert "Köln" in text
    assert "rain" in text


def test_thinking_is_asked_for_or_not(server: Server) -> None:
    assert "<think>" not in rendered(server)
    assert "<think>" not in rendered(server, think=False)
    assert "<think>" in rendered(server, think=True)


def test_oldest_turns_are_left_out_when_the_context_is_full(server: Server) -> None:
    turns = [
        {"role": role, "content": f"turn {turn}. " + "word " * 60}
        for turn in range(8)
        for role in ("user", "assistant")
    ]
    messages = [{"role": "system", "content": "RULES"}, *turns, {"role": "user", "content": "LAST"}]
    options = SHORT | {"num_ctx": 512}
    answer = ask(server, messages=messages, options=options)
    assert answer["prompt_truncated"] is True
    assert answer["dropped_messages"] > 0
    text = rendered(server, messages=messages, options=options)
    assert "RULES" in text
    assert "LAST" in text
    assert "turn 7." in text
    assert "turn 0." not in text


def test_conversation_that_cannot_fit_is_refused(server: Server) -> None:
    body = {"model": "cria", "messages": [{"role": "user", "content": "word " * 3000}]}
    response = server.post("/api/chat", body)
    assert response.status_code == 400
    assert "exceeds the context length" in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, 'invalid role: "robot"'),
        ({"messages": [{"content": "x"}]}, "messages.0.role is required"),
        ({"messages": "hello"}, "messages must be an array"),
        ({"messages": ["hello"]}, "messages.0 must be an object"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content must be a string"),
        ({"messages": [{"role": "user", "content": "x", "images": ["eHg="]}]}, "does not support images"),
        ({"messages": [{"role": "user", "content": "x", "images": ["%%"]}]}, "not valid base64"),
        ({"messages": HELLO, "tools": [{}]}, "each tool needs a function with a name"),
        ({"messages": HELLO, "think": "very"}, 'invalid think value: "very"'),
        ({"messages": HELLO, "format": "xml"}, 'invalid format: "xml"'),
        ({"messages": HELLO, "stream": "no"}, "stream must be a boolean"),
        ({"messages": HELLO, "temperature": "hot"}, "temperature must be a number"),
        ({"messages": HELLO, "max_tokens": 1.5}, "max_tokens must be an integer"),
        ({"messages": HELLO, "options": []}, "options must be an object"),
        ({"messages": HELLO, "options": {"grammar": "root ::= ("}}, "grammar"),
        ({"messages": HELLO, "keep_alive": "soon"}, "invalid duration"),
        ({"messages": HELLO, "keep_alive": True}, "keep_alive"),
    ],
)
def test_what_is_wrong_is_named(server: Server, body: dict[str, Any], message: str) -> None:
    for stream in (True, False):
        response = server.post("/api/chat", {"model": "cria", "stream": stream} | body)
        assert response.status_code == 400, response.text
        assert message in response.json()["error"]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("limit", [3, 6, 9, 12])
def test_stop_strings_lose_no_text_and_end_an_answer_once(server: Server, path: str, raw: bool, limit: int) -> None:
    asked = {"messages": HELLO} if path == "/api/chat" else {"prompt": "Hello", "raw": raw}
    body = {"model": "cria", "think": False, "options": {"temperature": 0, "num_predict": limit}} | asked

    def said(**more: Any) -> tuple[str, dict[str, Any]]:
        lines = server.stream(path, body | {"options": body["options"] | more})
        pieces = [line.get("response", "") or line.get("message", {}).get("content", "") for line in lines]
        return "".join(pieces), lines[-1]

    text, end = said()
    assert said(stop=[text[-1] + "never"])[0] == text, "what may become a stop string is said when the limit comes"
    cut, last = said(stop=[text[len(text) // 2 :][:5]])
    assert cut == text[: text.index(text[len(text) // 2 :][:5])]
    assert last["done_reason"] == "stop"
    assert last["prompt_eval_count"] == end["prompt_eval_count"]
    assert 0 < last["eval_count"] <= end["eval_count"]
    assert last["eval_duration"] > 0
