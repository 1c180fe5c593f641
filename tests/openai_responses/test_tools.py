"""Tools: calls of functions and of custom tools, their grammars, and what is chosen of them."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.openai_responses.shapes import WEATHER, Streamed, refusal, streamed, whole
from tests.server import Server

from openai import OpenAI

QUESTION = "What is the weather in Paris?"
PATCH = {
    "type": "custom",
    "name": "patch",
    "description": "Change a file",
    "format": {
        "type": "grammar",
        "syntax": "lark",
        "definition": 'start: "*** " WORD LF line+\nline: ("+" | "-") /(.*)/ LF\n%import common (WORD, LF)\n',
    },
}


def call_of(name: str, arguments: dict[str, Any]) -> str:
    said = json.dumps({"name": name, "arguments": arguments}, separators=(",", ":"))
    return f"<tool_call>\n{said}\n</tool_call>"


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "function": {"name": "get_weather"}},
        {"type": "allowed_tools", "tools": [{"type": "function", "function": {"name": "get_weather"}}]},
    ],
)
def test_what_is_asked_as_in_chats_is_said_back_as_here(server: Server, choice: dict[str, Any]) -> None:
    inner = {name: value for name, value in WEATHER.items() if name != "type"}
    form = {"type": "json_schema", "schema": {"type": "object"}}
    asked = {"tools": [{"type": "function", "function": inner}], "tool_choice": choice, "text": {"format": form}}
    made = whole(server, input=QUESTION, **asked, max_output_tokens=2)
    assert made["tools"] == [{"type": "function", "strict": None, **inner}]
    named = made["tool_choice"].get("tools", [made["tool_choice"]])
    assert named == [{"type": "function", "name": "get_weather"}]


def test_official_client_gets_a_call_and_answers_it(client: OpenAI) -> None:
    first = client.responses.create(model="cria", input=QUESTION, tools=[WEATHER], temperature=0)  # type: ignore[list-item]
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Paris"}
    assert call.call_id.startswith("call_")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees, sunny"}
    second = client.responses.create(
        model="cria",
        previous_response_id=first.id,
        input=[output],  # type: ignore[list-item]
        tools=[WEATHER],  # type: ignore[list-item]
        temperature=0,
        max_output_tokens=20,
    )
    assert second.output
    stateless = client.responses.create(
        model="cria",
        input=[{"role": "user", "content": QUESTION}, call.model_dump(), output],  # type: ignore[list-item]
        tools=[WEATHER],  # type: ignore[list-item]
        temperature=0,
        max_output_tokens=20,
        store=False,
    )
    assert stateless.usage is not None
    assert second.usage is not None
    assert stateless.usage.input_tokens == second.usage.input_tokens


def test_arguments_come_in_pieces(server: Server) -> None:
    found = streamed(server, {"model": "cria", "input": QUESTION, "tools": [WEATHER]})
    assert found.types.count("function_call_arguments.delta") > 1
    assert json.loads(found.deltas("function_call_arguments")) == {"city": "Paris"}
    assert found.types[-3:] == ["function_call_arguments.done", "output_item.done", "completed"]


def test_text_and_calls_are_items_in_their_order(writing: Callable[..., Streamed]) -> None:
    text = "Both. " + call_of("get_weather", {"city": "Paris"}) + "\n" + call_of("get_weather", {"city": "Rome"})
    output = writing(text, tools=[WEATHER]).response["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "function_call"]
    assert [json.loads(item["arguments"])["city"] for item in output[1:]] == ["Paris", "Rome"]
    assert len({item["call_id"] for item in output[1:]}) == 2


def test_call_that_is_cut_off_is_incomplete(writing: Callable[..., Streamed]) -> None:
    found = writing(call_of("get_weather", {"city": "Paris and all the other towns"}), tokens=18, tools=[WEATHER])
    assert found.response["status"] == "incomplete"
    assert found.response["output"][-1]["status"] == "incomplete"


@pytest.mark.parametrize("said", ['*** Update\n+a "b" \\ é 世界 😀\n-c\n', "*** A\n+\n"])
def test_custom_tool_gets_its_text(writing: Callable[..., Streamed], said: str) -> None:
    found = writing(call_of("patch", {"input": said}), tools=[PATCH, WEATHER])
    (item,) = found.response["output"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "patch", said)
    assert found.deltas("custom_tool_call_input") == said


@pytest.mark.parametrize("path", ["engine", "go"])
@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        (
            {"syntax": "lark", "definition": 'start: ("ab" | "cd"i)+ NUMBER\n%import common.NUMBER'},
            r"(ab|[cC][dD])+[\d.eE+-]+",
        ),
        ({"syntax": "regex", "definition": r"[a-c]{3}\n\d{2}"}, r"[a-c]{3}\n\d{2}"),
    ],
)
def test_grammar_binds_the_text(server: Server, go_model: str, path: str, form: dict[str, str], pattern: str) -> None:
    tool = {"type": "custom", "name": "write", "format": {"type": "grammar", **form}}
    body = {
        "model": "cria" if path == "engine" else go_model,
        "input": "What is the weather in Paris?",
        "tools": [tool],
        "tool_choice": {"type": "custom", "name": "write"},
        "reasoning": {"effort": "none"},
        "max_output_tokens": 200,
        "temperature": 1,
        "seed": 1,
    }
    item = streamed(server, body).response["output"][-1]
    assert item["type"] == "custom_tool_call"
    if item["status"] == "completed":
        assert re.fullmatch(pattern, item["input"]), item


def test_custom_tool_in_a_namespace(writing: Callable[..., Streamed]) -> None:
    tool = {"type": "namespace", "name": "files", "description": "d", "tools": [{"type": "custom", "name": "write"}]}
    (item,) = writing(call_of("files__write", {"input": "x"}), tools=[tool]).response["output"]
    assert (item["type"], item["namespace"], item["name"], item["input"]) == ("custom_tool_call", "files", "write", "x")


def test_thoughts_and_space_before_a_call_are_no_message(writing: Callable[..., Streamed]) -> None:
    output = writing("\n\n" + call_of("get_weather", {"city": "Paris"}), tools=[WEATHER]).response["output"]
    assert [item["type"] for item in output] == ["function_call"]


def test_no_tool_may_be_called(server: Server) -> None:
    response = whole(server, input=QUESTION, tools=[WEATHER], tool_choice="none", max_output_tokens=20)
    assert {item["type"] for item in response["output"]} == {"message"}


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "name": "get_weather"},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_weather"}]},
    ],
)
def test_a_call_can_be_required(server: Server, choice: Any) -> None:
    other = WEATHER | {"name": "other"}
    body = {"input": "Hello.", "tools": [other, WEATHER], "tool_choice": choice, "max_output_tokens": 60}
    response = whole(server, **body)
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    assert calls
    if choice != "required":
        assert {call["name"] for call in calls} == {"get_weather"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0]: a tool needs a name"),
        ({"tools": [WEATHER, WEATHER]}, 'tools[1]: there is more than one tool called "get_weather"'),
        ({"tools": [WEATHER | {"parameters": 5}]}, "tools[0].parameters must be a JSON Schema object"),
        ({"tools": [{"type": "namespace", "name": "n"}]}, "tools[0]: a namespace needs a name and tools"),
        ({"tool_choice": "required"}, "there are no tools to call"),
        ({"tool_choice": {"type": "function", "name": "x"}}, 'there is no tool called "x"'),
        ({"tool_choice": {"type": "web_search_preview"}}, 'tools of the kind "web_search_preview" are not offered'),
        ({"tool_choice": "x"}, "tool_choice must be one of auto, none, required or an object"),
        (
            {"tools": [PATCH | {"format": {"type": "grammar", "syntax": "lark", "definition": "x: y"}}]},
            "there is no rule called start",
        ),
        ({"tools": [PATCH | {"format": {"type": "grammar", "syntax": "bnf", "definition": "x"}}]}, "syntax must be"),
    ],
)
def test_what_is_wrong_is_named(server: Server, body: dict[str, Any], words: str) -> None:
    assert words in refusal(server, **body)["message"]
