"""Functions in chats: called, streamed in pieces, told about in conversations of the past."""

import json
import re
from typing import Any

import pytest
from tests.e2e.prompting import ADD, WEATHER
from tests.openai.asking import SKY, chat, refused, said, stream, user

from openai import OpenAI

LHASA = "What is the weather in Lhasa?"
LIMIT = {"max_tokens": 80}


def grammar(definition: str, syntax: str) -> dict[str, Any]:
    return {"type": "grammar", "grammar": {"definition": definition, "syntax": syntax}}


def custom(form: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a tool that takes a text."""
    told = {"name": "say", "description": "Say a text"}
    return {"type": "custom", "custom": told | ({"format": form} if form else {})}


def call_of_the_past(arguments: Any) -> list[dict[str, Any]]:
    function = {"name": "get_weather", "arguments": arguments}
    return [
        *user(LHASA),
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": "12 degrees and sunny"},
    ]


def test_call(client: OpenAI) -> None:
    choice = chat(client, LHASA, tools=[WEATHER], **LIMIT).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls or ()
    assert call.type == "function"
    assert call.id
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Lhasa"}


def test_call_in_pieces(client: OpenAI) -> None:
    chunks = stream(client, LHASA, tools=[WEATHER], **LIMIT)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    first, *rest = [piece for chunk in chunks for piece in chunk.choices[0].delta.tool_calls or ()]
    assert first.function
    assert (first.index, first.type, first.function.name) == (0, "function", "get_weather")
    assert first.id
    assert len(rest) > 1
    assert {(piece.index, piece.id, piece.type) for piece in rest} == {(0, None, None)}
    arguments = [piece.function.arguments or "" for piece in (first, *rest) if piece.function]
    assert json.loads("".join(arguments)) == {"city": "Lhasa"}


def test_helper_of_the_official_client_puts_a_stream_together(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": "cria", "messages": user(LHASA), "tools": [WEATHER], "temperature": 0}
    with client.chat.completions.stream(**asked) as events:
        final = events.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or ()
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Lhasa"}


def test_result_is_part_of_the_prompt(client: OpenAI) -> None:
    past = call_of_the_past('{"city":"Lhasa"}')
    answer = chat(client, messages=past, tools=[WEATHER], max_tokens=30).choices[0].message
    assert answer.content
    assert not answer.tool_calls
    other = [*past[:2], past[2] | {"content": [{"type": "text", "text": "-40 degrees and snow"}]}]
    assert said(client, messages=other, tools=[WEATHER], max_tokens=30) != answer.content


@pytest.mark.parametrize("arguments", ["{bad", "", "[1]", '{"city": "two\nlines"}', {"city": "Lhasa"}])
def test_arguments_that_are_no_json_lose_no_conversation(client: OpenAI, arguments: Any) -> None:
    answer = chat(client, messages=call_of_the_past(arguments), tools=[WEATHER], max_tokens=30).choices[0].message
    assert answer.content or answer.tool_calls


def test_text_of_arguments_reaches_the_model(client: OpenAI) -> None:
    counts = []
    for arguments in ('{"city":"Lhasa"}', '{"city":"Lhasa","more":"so much more text than before, all of it"}'):
        usage = chat(client, messages=call_of_the_past(arguments), tools=[WEATHER], max_tokens=1).usage
        assert usage
        counts.append(usage.prompt_tokens)
    assert counts[0] < counts[1]


def test_functions_are_the_older_form(client: OpenAI) -> None:
    asked: dict[str, Any] = {"functions": [WEATHER["function"]], **LIMIT}
    choice = chat(client, LHASA, **asked).choices[0]
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call
    assert not choice.message.tool_calls
    assert choice.message.function_call.name == "get_weather"
    assert json.loads(choice.message.function_call.arguments) == {"city": "Lhasa"}
    call = choice.message.function_call
    deltas = [chunk.choices[0].delta.function_call for chunk in stream(client, LHASA, **asked)]
    assert "".join(delta.arguments or "" for delta in deltas if delta) == call.arguments
    past = [
        *user(LHASA),
        {"role": "assistant", "content": None, "function_call": call.model_dump()},
        {"role": "function", "name": "get_weather", "content": "12 degrees"},
    ]
    assert said(client, messages=past, functions=[WEATHER["function"]], max_tokens=30)


def test_call_that_is_cut_off(client: OpenAI) -> None:
    choice = chat(client, LHASA, tools=[WEATHER], max_tokens=14).choices[0]
    assert choice.finish_reason == "length"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools.0.function.name"),
        ({"tools": [WEATHER, {"type": "web_search"}]}, "tools.1.type"),
        ({"tools": [WEATHER, {"type": "custom", "custom": {}}]}, "tools.1.custom.name"),
        ({"tools": [custom({"type": "else"})]}, "tools.0.custom.format.type"),
        ({"tools": [custom(grammar("[", "regex"))]}, "tools.0.custom.format"),
        ({"tools": [custom(grammar('start: "(" start ")"', "lark"))]}, "tools.0.custom.format"),
        ({"tools": [WEATHER], "tool_choice": {"type": "custom", "custom": {"name": "nope"}}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]}, "tools.0.function.parameters"),
        ({"tools": [WEATHER], "functions": [WEATHER["function"]]}, "functions"),
        ({"tools": [WEATHER], "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "nope"}}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [WEATHER["function"]], "function_call": {"name": "nope"}}, "function_call"),
    ],
)
def test_what_cannot_be_is_refused_by_name(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with refused(param):
        chat(client, LHASA, **fields)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "add"}}])
def test_call_is_forced(client: OpenAI, choice: Any) -> None:
    answer = chat(client, SKY, tools=[WEATHER, ADD], tool_choice=choice, **LIMIT).choices[0]
    assert answer.finish_reason in ("tool_calls", "length")
    names = {call.function.name for call in answer.message.tool_calls or () if call.type == "function"}
    assert names
    assert names <= ({"add"} if isinstance(choice, dict) else {"add", "get_weather"})


def test_allowed_tools(client: OpenAI) -> None:
    named = [{"type": "function", "function": {"name": "add"}}]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}
    answer = chat(client, LHASA, tools=[WEATHER, ADD], tool_choice=choice, **LIMIT).choices[0]
    assert {call.function.name for call in answer.message.tool_calls or () if call.type == "function"} == {"add"}


def test_no_call(client: OpenAI) -> None:
    answer = chat(client, LHASA, tools=[WEATHER], tool_choice="none", **LIMIT).choices[0]
    assert not answer.message.tool_calls
    assert answer.message.content


def test_call_that_the_older_form_forces(client: OpenAI) -> None:
    functions = [WEATHER["function"], ADD["function"]]
    answer = chat(client, SKY, functions=functions, function_call={"name": "add"}, **LIMIT).choices[0]
    assert answer.message.function_call
    assert answer.message.function_call.name == "add"


def test_one_call_at_most(client: OpenAI) -> None:
    text = "What is the weather in Lhasa and in Cusco?"
    asked: dict[str, Any] = {"tools": [WEATHER], "tool_choice": "required", **LIMIT}
    assert len(chat(client, text, parallel_tool_calls=False, **asked).choices[0].message.tool_calls or ()) == 1


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        (None, r"(?s).*"),
        (grammar(r"[a-c]{2}-\d", "regex"), r"[a-c]{2}-\d"),
        (grammar('start: "say \\"" WORD "\\"\\n"\nWORD: /[x-z]{3}/', "lark"), r'say "[x-z]{3}"\n'),
    ],
)
def test_text_for_a_custom_tool(client: OpenAI, form: dict[str, Any] | None, pattern: str) -> None:
    asked: dict[str, Any] = {"tools": [WEATHER, custom(form)], **LIMIT, "parallel_tool_calls": False}
    asked["tool_choice"] = {"type": "custom", "custom": {"name": "say"}}
    answer = chat(client, SKY, **asked).choices[0]
    assert answer.finish_reason == "tool_calls"
    (call,) = answer.message.tool_calls or ()
    assert call.type == "custom"
    assert call.custom.name == "say"
    assert re.fullmatch(pattern, call.custom.input)
    chunks = [chunk.choices[0] for chunk in stream(client, SKY, **asked)]
    deltas = [delta.model_dump() for chunk in chunks for delta in chunk.delta.tool_calls or ()]
    assert deltas[0]["custom"]["name"] == "say"
    assert "".join(delta["custom"]["input"] for delta in deltas) == call.custom.input
    past = [
        *user(SKY),
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump(exclude_none=True)]},
        {"role": "tool", "tool_call_id": call.id, "content": "It was said."},
    ]
    allowed = {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "say"}}]}
    asked["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
    assert chat(client, **asked | {"messages": past}).choices[0].message


@pytest.mark.parametrize("text", [LHASA, SKY])
def test_log_probabilities_beside_tools(client: OpenAI, text: str) -> None:
    asked: dict[str, Any] = {"tools": [WEATHER], **LIMIT, "logprobs": True, "top_logprobs": 2}
    answer = chat(client, text, **asked)
    choice = answer.choices[0]
    assert bool(choice.message.tool_calls) == (text == LHASA)
    assert choice.logprobs
    known = choice.logprobs.content or []
    assert answer.usage
    assert len(known) in (answer.usage.completion_tokens, answer.usage.completion_tokens - 1)  # without the end
    assert all(len(entry.top_logprobs) == 2 for entry in known)
    told = [chunk.choices[0].logprobs for chunk in stream(client, text, **asked)]
    assert [entry.token for one in told if one for entry in one.content or ()] == [entry.token for entry in known]
