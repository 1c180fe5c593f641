"""Tools: calls of a real model by both paths, and what is refused."""

from typing import Any

import pytest
from tests.conftest import Serve
from tests.e2e.prompting import ADD, GO_TEMPLATE, WEATHER, chat, chat_stream, make, refusal, rendered, user
from tests.server import Server
from tests.system import require_native

QUESTION = user("What is the weather in Paris?")
ONE = '<tool_call>\n{"name":"get_weather","arguments":{"city":"Paris"}}\n</tool_call>'
TWO = '<tool_call>\n{"name":"add","arguments":{"b":2.5,"a":-1,"note":{"z":[1,null],"a":"é 世界 }"}}}\n</tool_call>'


@pytest.fixture(params=["engine", "go"])
def model(request: pytest.FixtureRequest, go_model: str) -> str:
    """The built-in model by either path."""
    return "cria" if request.param == "engine" else go_model


@pytest.fixture
def writing(server: Server, go_model: str) -> Any:
    """A function that makes the model on the Go path write a text, whatever it has learnt, and returns the answer."""

    def write(text: str, stream: bool, **body: Any) -> dict[str, Any]:
        pieces = " ".join(f"{character!s}" for character in (f"[{_escaped(letter)}]" for letter in text))
        options = {"grammar": f"root ::= {pieces}", "num_predict": 400}
        ask = chat_stream if stream else chat
        return ask(server, QUESTION, go_model, tools=[WEATHER, ADD], options=options, **body)

    return write


def _escaped(letter: str) -> str:
    return f"\\U{ord(letter):08X}"


def functions(answer: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    calls = answer["message"].get("tool_calls", [])
    assert [call["function"]["index"] for call in calls] == list(range(len(calls)))
    ids = [call["id"] for call in calls]
    assert len(set(ids)) == len(ids)
    assert all(call_id.startswith("call_") for call_id in ids)
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]


@pytest.mark.parametrize("ask", [chat, chat_stream])
@pytest.mark.parametrize("think", [None, True])
def test_model_calls_a_tool(server: Server, model: str, ask: Any, think: bool | None) -> None:
    answer = ask(server, QUESTION, model, tools=[WEATHER], think=think)
    ((name, arguments),) = functions(answer)
    assert name == "get_weather"
    assert arguments == {"city": "Paris"}
    assert answer["done_reason"] == "stop"
    assert "<tool_call>" not in answer["message"]["content"]
    assert bool(answer["message"].get("thinking")) == bool(think)


def test_call_is_streamed_before_the_end(server: Server, model: str) -> None:
    pieces = chat_stream(server, QUESTION, model, tools=[WEATHER])["pieces"]
    assert any(piece["message"].get("tool_calls") for piece in pieces)
    assert not any(piece["done"] for piece in pieces)


def test_ids_differ_between_answers(server: Server, model: str) -> None:
    answers = [chat(server, QUESTION, model, tools=[WEATHER]) for _ in range(2)]
    assert len({answer["message"]["tool_calls"][0]["id"] for answer in answers}) == 2


@pytest.mark.parametrize("stream", [True, False])
def test_several_calls_with_text_around_them(writing: Any, stream: bool) -> None:
    answer = writing(f"Both. {ONE}\n{TWO}\nDone.", stream)
    assert functions(answer) == [
        ("get_weather", {"city": "Paris"}),
        ("add", {"b": 2.5, "a": -1, "note": {"z": [1, None], "a": "é 世界 }"}}),
    ]
    assert list(functions(answer)[1][1]) == ["b", "a", "note"], "in the order that the model wrote"
    assert answer["message"]["content"].split() == ["Both.", "Done."]


@pytest.mark.parametrize(
    "text",
    ['<tool_call>\n{"name":"no_tool","arguments":{}}\n</tool_call>', "a <tool_call> b", '{"city":"Paris"}', ONE[:40]],
)
def test_what_is_no_call_is_content(writing: Any, text: str) -> None:
    for stream in (True, False):
        answer = writing(text, stream)
        assert functions(answer) == []
        assert answer["message"]["content"].split() == text.split()


def test_calls_are_not_looked_for_without_tools(server: Server, go_model: str) -> None:
    options = {"grammar": f"root ::= {' '.join(f'[{_escaped(letter)}]' for letter in ONE)}", "num_predict": 100}
    assert chat(server, QUESTION, go_model, options=options)["message"]["content"] == ONE


def test_answer_after_a_result(server: Server, model: str) -> None:
    call = {"id": "call_1", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
    for extra in ({}, {"tool_name": "get_weather"}, {"tool_call_id": "call_1"}):
        result = {"role": "tool", "content": "18 degrees, sunny", **extra}
        turns = [*QUESTION, {"role": "assistant", "content": "", "tool_calls": [call]}, result]
        answer = chat(server, turns, model, tools=[WEATHER], options={"num_predict": 16})
        assert answer["message"]["content"] or answer["message"]["tool_calls"]
        assert "18 degrees, sunny" in rendered(server, turns, model, tools=[WEATHER])


def test_null_stands_for_nothing(server: Server, model: str) -> None:
    call = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
    turns = [
        {"role": "user", "content": "Weather?", "images": None, "tool_calls": None},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "rain"},
    ]
    whole = [{name: value for name, value in turn.items() if value is not None} for turn in turns]
    assert rendered(server, turns, model, tools=[WEATHER]) == rendered(server, whole, model, tools=[WEATHER])


@pytest.mark.parametrize(
    "parameters", [{}, {"parameters": None}, {"parameters": {}}, {"parameters": {"type": "object"}}]
)
def test_tool_without_parameters(server: Server, model: str, parameters: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "now", "description": "the time", **parameters}}
    assert chat(server, QUESTION, model, tools=[tool], options={"num_predict": 4})["done"] is True
    assert '{"type":"object","properties":{}}' in rendered(server, QUESTION, model, tools=[tool])


@pytest.mark.parametrize(
    "said",
    [
        {"type": "any"},
        {"type": "array", "items": True},
        {"type": "object", "properties": {"more": {"$ref": "#"}}},
        {"type": "integer", "maximum": 2**64 - 1, "minimum": 0},
        {"type": "string", "maxLength": 2**53 - 1},
        {"type": "string", "minLength": 5000},
    ],
    ids=str,
)
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_what_nobody_can_read_of_parameters_does_not_fail_a_conversation(
    server: Server, said: dict[str, Any], choice: str
) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}, "more": said}, "required": ["city"]}
    tool = {"type": "function", "function": WEATHER["function"] | {"parameters": parameters}}
    options = {"temperature": 0, "num_predict": 40}
    answer = chat(server, QUESTION, tools=[tool], tool_choice=choice, options=options)
    assert [name for name, _ in functions(answer)] == ["get_weather"] or answer["done_reason"] == "length", answer


def test_model_without_tools_refuses_them(server: Server) -> None:
    model = make(server, "no-tools", template="{{ .Prompt }}!", parser="passthrough")
    error = refusal(server, "/api/chat", model=model, messages=QUESTION, tools=[WEATHER])
    assert error == '"no-tools" does not support tools'
    assert "tools" not in server.ask("/api/show", {"model": model})["capabilities"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"tools": [{"function": {"name": ""}}]}, "each tool needs a function with a name"),
        ({"tools": [{"function": {"name": "f", "parameters": []}}]}, 'the parameters of tool "f" must be'),
        ({"tools": [{"function": {"name": "f", "parameters": "x"}}]}, 'the parameters of tool "f" must be'),
        ({"tools": ["f"]}, "tools.0 must be an object"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "each of tool_calls needs a function"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
            "the arguments of a tool call must be a JSON object",
        ),
    ],
)
def test_what_is_wrong_is_named(server: Server, body: dict[str, Any], message: str) -> None:
    assert message in refusal(server, "/api/chat", **{"messages": QUESTION} | body)


def test_bodies_that_are_nested_too_deeply_are_refused(server: Server) -> None:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    for body in ({"format": schema}, {"tools": [{"function": {"name": "f", "parameters": schema}}]}):
        assert "nested more than 100 levels" in refusal(server, "/api/chat", messages=QUESTION, **body)


def test_template_decides_how_calls_look(server: Server) -> None:
    template = GO_TEMPLATE.replace("<tool_call>\n", "[TOOL_CALLS] ").replace("\n</tool_call>", "")
    model = make(server, "other-calls", template=template)
    text = '[TOOL_CALLS] {"name":"get_weather","arguments":{"city":"Paris"}}'
    options = {"grammar": f"root ::= {' '.join(f'[{_escaped(letter)}]' for letter in text)}", "num_predict": 100}
    answer = chat(server, QUESTION, model, tools=[WEATHER], options=options)
    assert functions(answer) == [("get_weather", {"city": "Paris"})]
    assert answer["message"]["content"] == ""


@pytest.mark.parametrize("engine", ["portable", "native"])
def test_a_call_is_bound_by_the_parameters(serve: Serve, engine: str) -> None:
    server = serve({"PUNA_ENGINE": require_native()} if engine == "native" else {})
    model = make(server, "bound-calls", template=GO_TEMPLATE, parser="qwen3")
    city = {"type": "string", "enum": ["Oslo", "Quito"]}
    days = {"type": "integer", "minimum": 3, "maximum": 9}
    parameters = {"type": "object", "properties": {"city": city, "days": days}, "required": ["city", "days"]}
    tool = WEATHER | {"function": WEATHER["function"] | {"parameters": parameters}}
    asked = user("What is the weather in Lhasa?")
    answer = chat(server, asked, model, tools=[tool, ADD], think=False, options={"temperature": 0})["message"]
    [call] = answer["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert call["function"]["arguments"]["city"] in city["enum"]
    assert call["function"]["arguments"]["days"] in range(3, 10)
    assert chat(server, user("Hello!"), model, tools=[tool], think=False)["message"]["content"]
