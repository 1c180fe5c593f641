"""``/v1/messages`` with a real model, whole and streamed, as the official client and its types read it."""

from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel
from tests.api.anthropic.asking import (
    ASKS_WEATHER,
    SKY,
    URL,
    WEATHER,
    ask,
    ask_stream,
    counted,
    events,
    for_client,
    prompt_tokens,
    refused,
    said,
)
from tests.server import Server

Ask = Callable[[Server, dict[str, Any]], dict[str, Any]]
both = pytest.mark.parametrize("asking", [ask, ask_stream])
THINK = {"type": "enabled", "budget_tokens": 1024}


def text_of(answer: dict[str, Any]) -> str:
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")


@both
def test_answer(server: Server, asking: Ask) -> None:
    answer = asking(server, said())
    assert answer["id"].startswith("msg_")
    assert (answer["type"], answer["role"], answer["model"]) == ("message", "assistant", "cria")
    assert [block["type"] for block in answer["content"]] == ["text"]
    assert "scatter" in text_of(answer)
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("end_turn", None)
    assert answer["usage"]["output_tokens"] > 10
    assert prompt_tokens(answer) == counted(server, said())


def test_stream_has_the_documented_shape(server: Server) -> None:
    response = server.post(f"{URL}?beta=true", said(max_tokens=1, stream=True), headers={"X-Request-Id": "r1"})
    assert response.headers["request-id"] == "req_r1"
    assert response.headers["cache-control"] == "no-cache"
    names = [line for line in response.text.splitlines() if line.startswith("event: ")]
    assert names == [
        "event: message_start",
        "event: ping",
        "event: content_block_start",
        "event: content_block_delta",
        "event: content_block_stop",
        "event: message_delta",
        "event: message_stop",
    ]
    assert 'data: {"type":"ping"}' in response.text
    assert 'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}' in response.text
    assert 'data: {"type":"content_block_stop","index":0}' in response.text
    assert '"delta":{"stop_reason":"max_tokens","stop_sequence":null}' in response.text


def test_beginning_of_a_stream_knows_the_prompt(server: Server) -> None:
    body = said("What is the capital of Peru?", system="Be brief.")
    start = events(server, body)[0]["message"]
    assert (start["content"], start["stop_reason"], start["stop_sequence"]) == ([], None, None)
    assert prompt_tokens(start) == counted(server, body)
    again = events(server, body)[0]["message"]["usage"]
    assert again["cache_read_input_tokens"] > 0
    assert again["input_tokens"] + again["cache_read_input_tokens"] == counted(server, body)


def test_official_client(client: anthropic.Anthropic) -> None:
    asked = for_client(said())
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert whole.content[0].type == "text"
    assert text == whole.content[0].text == final.content[0].text  # type: ignore[union-attr]
    assert final.stop_reason == whole.stop_reason == "end_turn"
    assert whole._request_id
    count = {name: asked[name] for name in ("model", "messages", "thinking")}
    counted = client.messages.count_tokens(**count).input_tokens
    assert counted == final.usage.input_tokens + (final.usage.cache_read_input_tokens or 0)


def test_official_client_of_beta(client: anthropic.Anthropic) -> None:
    asked = for_client(said(betas=["context-management-2025-06-27"], context_management={"edits": []}))
    assert client.beta.messages.create(**asked).stop_reason == "end_turn"


async def test_official_async_client(server: Server) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=server.url, auth_token="unused", max_retries=0) as client,
        client.messages.stream(**for_client(said())) as stream,
    ):
        assert "scatter" in "".join([text async for text in stream.text_stream])


@both
def test_stop_sequence_is_told(server: Server, asking: Ask) -> None:
    answer = asking(server, said(stop_sequences=["zzz", " light"]))
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", " light")
    assert "light" not in text_of(answer)


@both
def test_limit(server: Server, asking: Ask) -> None:
    answer = asking(server, said(max_tokens=3))
    assert answer["stop_reason"] == "max_tokens"
    assert answer["usage"]["output_tokens"] == 3


@both
def test_limit_past_the_context_is_no_error(server: Server, asking: Ask) -> None:
    answer = asking(server, said(max_tokens=1_000_000, ignore_eos=True, num_ctx=64, thinking={"type": "disabled"}))
    assert answer["stop_reason"] == "max_tokens"
    assert prompt_tokens(answer) + answer["usage"]["output_tokens"] <= 65


@both
def test_limit_of_nothing_reads_the_prompt(server: Server, asking: Ask) -> None:
    body = said("Which is the longest river of all?", max_tokens=0)
    answer = asking(server, body)
    assert (answer["content"], answer["stop_reason"]) == ([], "max_tokens")
    assert answer["usage"]["output_tokens"] == 0
    assert asking(server, body | {"max_tokens": 1})["usage"]["cache_read_input_tokens"] > 0


@both
def test_options_are_obeyed(server: Server, asking: Ask) -> None:
    hot = said(temperature=4, top_p=1, seed=7, options={"top_k": 500}, num_ctx=512, keep_alive="1m", priority="batch")
    assert text_of(asking(server, hot)) == text_of(asking(server, hot))
    assert text_of(asking(server, hot)) != text_of(asking(server, hot | {"seed": 8}))
    assert text_of(asking(server, hot | {"top_k": 1, "options": {}})) == text_of(asking(server, said(num_ctx=512)))


@both
def test_thoughts_are_told_and_signed(server: Server, asking: Ask) -> None:
    answer = asking(server, said("What is 2+2?", thinking=THINK))
    thought, text = answer["content"]
    assert (thought["type"], text["type"]) == ("thinking", "text")
    assert thought["thinking"].strip()
    assert len(thought["signature"]) > 40
    details = answer["usage"]["output_tokens_details"]["thinking_tokens"]
    assert 0 < details < answer["usage"]["output_tokens"]
    turns = [
        {"role": "user", "content": "What is 2+2?"},
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": "What is 3+3?"},
    ]
    assert asking(server, said(messages=turns))["stop_reason"] == "end_turn"
    thought["thinking"] += " 5"
    assert "messages.1.content.0.signature does not fit" in refused(server, said(messages=turns))
    thought["signature"] = "EqQBCgIYAhIkZm9yZWlnbg=="  # somebody else's
    assert asking(server, said(messages=turns))["stop_reason"] == "end_turn"


@both
def test_budget_of_thoughts_is_kept(server: Server, asking: Ask) -> None:
    question = "What is the weather in Lhasa?"
    free = asking(server, said(question, tools=[WEATHER], thinking=THINK))
    bound = asking(server, said(question, tools=[WEATHER], thinking={"type": "enabled", "budget_tokens": 3}))
    tokens = [one["usage"]["output_tokens_details"]["thinking_tokens"] for one in (free, bound)]
    assert tokens[0] > 8
    assert tokens[1] <= 5
    assert bound["content"][-1]["type"] in ("text", "tool_use"), "it answers all the same"


@both
def test_thoughts_that_are_omitted_come_back(server: Server, asking: Ask) -> None:
    shown = asking(server, said("What is 2+2?", thinking=THINK))["content"]
    hidden = asking(server, said("What is 2+2?", thinking=THINK | {"display": "omitted"}))["content"]
    assert hidden[0]["thinking"] == ""
    assert hidden[1] == shown[1]

    def again(content: Any) -> int:
        """Return the tokens of a conversation in which the model sees its thoughts, since it goes on with a call."""
        call = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Lhasa"}}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": "4"}
        turns = [
            {"role": "user", "content": "What is 2+2?"},
            {"role": "assistant", "content": [*content, call]},
            {"role": "user", "content": [result]},
        ]
        return counted(server, said(messages=turns, tools=[WEATHER]))

    assert again(hidden) == again(shown) > again(shown[1:])
    assert again([{"type": "redacted_thinking", "data": hidden[0]["signature"]}, hidden[1]]) == again(shown)
    assert again([{"type": "redacted_thinking", "data": "EqQBCg"}, hidden[1]]) == again(shown[1:])


@both
@pytest.mark.parametrize(
    ("thinking", "thinks"),
    [
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, True),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"output_config": {"effort": "low"}}, True),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, False),
        ({"thinking": {"type": "between_tools"}}, False),
    ],
)
def test_whether_to_think(server: Server, asking: Ask, thinking: dict[str, Any], thinks: bool) -> None:
    body = said("What is 2+2?")
    del body["thinking"]
    assert (asking(server, body | thinking)["content"][0]["type"] == "thinking") == thinks


@both
def test_tool_is_called_and_its_result_read(server: Server, asking: Ask) -> None:
    body = said(ASKS_WEATHER, tools=[WEATHER])
    answer = asking(server, body)
    assert answer["stop_reason"] == "tool_use"
    (call,) = answer["content"]
    assert call["id"].startswith("toolu_")
    assert (call["type"], call["name"], call["input"]) == ("tool_use", "get_weather", {"city": "Lhasa"})
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "12 degrees"}]}
    turns = [*body["messages"], {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    answer = asking(server, body | {"messages": turns})
    assert answer["stop_reason"] == "end_turn"
    assert "12 degrees" in text_of(answer)
    failed = result | {"is_error": True}
    assert counted(server, body | {"messages": [*turns[:2], {"role": "user", "content": [failed]}]}) > counted(
        server, body | {"messages": turns}
    )


def test_call_that_the_limit_cuts_off(server: Server) -> None:
    body = said(ASKS_WEATHER, tools=[WEATHER], max_tokens=14)
    answer = ask(server, body)
    assert answer["stop_reason"] == "max_tokens"
    assert answer["content"][0]["name"] == "get_weather"
    assert events(server, body)[-2]["delta"]["stop_reason"] == "max_tokens"


def test_arguments_come_in_pieces(server: Server) -> None:
    deltas = [event["delta"] for event in events(server, said(ASKS_WEATHER, tools=[WEATHER])) if "delta" in event]
    pieces = [delta["partial_json"] for delta in deltas if delta.get("type") == "input_json_delta"]
    assert len(pieces) > 2


def test_tools_of_anthropic_are_not_offered_and_named(server: Server) -> None:
    searching = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    response = server.post(URL, said(tools=[searching, WEATHER], service_tier="auto", madness=1))
    assert response.status_code == 200
    assert response.headers["puna-ignored"] == "service_tier, tools.web_search, madness"
    assert prompt_tokens(response.json()) == counted(server, said(tools=[WEATHER]))
    assert "puna-ignored" not in server.post(URL, said(metadata={"user_id": "me"}, max_tokens=1)).headers


@both
def test_format(server: Server, asking: Ask) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Lima", "Cusco"]}}, "required": ["city"]}
    for field in (
        {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
        {"output_format": {"type": "json_schema", "schema": schema}},
    ):
        text = text_of(asking(server, said("Which is the capital of Peru?", **field)))
        assert text in ('{"city":"Lima"}', '{"city":"Cusco"}')


def test_official_client_parses(client: anthropic.Anthropic) -> None:
    class City(BaseModel):
        city: str

    asked = for_client(said("Which is the capital of Peru?", output_format=City, max_tokens=200))
    parsed = client.messages.parse(**asked)
    assert isinstance(parsed.parsed_output, City)


@both
def test_answer_that_was_begun_goes_on(server: Server, asking: Ask) -> None:
    turns = [{"role": "user", "content": SKY}, {"role": "assistant", "content": "The sky is blue because air"}]
    body = said(messages=turns, max_tokens=10)
    del body["thinking"]
    assert not text_of(asking(server, body)).startswith("The sky")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": []}, "messages is required"),
        ({"model": ""}, "model is required"),
        ({"max_tokens": None}, "max_tokens is required"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens must be an integer"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role must be"),
        ({"messages": [{"role": "user"}]}, "messages.0.content is required"),
        ({"messages": [{"role": "user", "content": 7}]}, "must be a string or an array of objects"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text must be a string"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages must have something"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type must be one of"),
        ({"tool_choice": {"type": "any"}}, "tool_choice any needs tools"),
        ({"tool_choice": {"type": "tool", "name": "nope"}, "tools": [WEATHER]}, 'tool_choice.name "nope"'),
        ({"tools": [{"name": "x"}]}, 'tool "x" needs an input_schema'),
        ({"thinking": {"type": "hard"}}, "thinking.type must be one of"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens must be"),
        ({"output_config": {"effort": "wild"}}, "output_config.effort must be one of"),
        ({"output_config": {"format": {"type": "xml"}}}, 'type "json_schema"'),
        ({"thread": {"id": "t"}}, "thread is not supported"),
        ({"temperature": -1}, "temperature"),
    ],
)
def test_what_is_wrong_is_named(server: Server, change: dict[str, Any], reason: str) -> None:
    assert reason in refused(server, said(**change))


def test_official_tool_runner_goes_on_without_a_thread(client: anthropic.Anthropic) -> None:
    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"It is sunny in {city}."

    asked: Any = [{"role": "user", "content": ASKS_WEATHER}]
    runner = client.beta.messages.tool_runner(
        model="cria", max_tokens=60, tools=[get_weather], messages=asked, extra_body={"temperature": 0}
    )
    first, last = list(runner)[:2]
    assert (first.stop_reason, last.stop_reason) == ("tool_use", "end_turn")


def test_prompt_that_is_too_long(server: Server, client: anthropic.Anthropic) -> None:
    body = said("long " * 400, num_ctx=256)
    count = counted(server, body)
    assert refused(server, body) == f"prompt is too long: {count} tokens > 256 maximum context length"
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        client.messages.create(**for_client(body))


def test_errors_have_the_types_of_the_client(server: Server, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(**for_client(said(model="nope")))
    assert missing.value.type == "not_found_error"
    assert server.post(URL, b"{").json()["error"]["type"] == "invalid_request_error"
    assert server.get(URL).status_code == 405
    assert server.get(URL).json()["type"] == "error"


def test_probe_of_agents(server: Server) -> None:
    assert server.request("HEAD", "/").status_code == 200


def test_examples_of_inputs_are_told(server: Server) -> None:
    asked = said(ASKS_WEATHER, tools=[WEATHER])
    with_examples = WEATHER | {"input_examples": [{"city": "Cusco"}, {"city": "Lima"}]}
    assert counted(server, asked | {"tools": [with_examples]}) > counted(server, asked) + 10
    assert ask(server, asked | {"tools": [with_examples]})["stop_reason"] == "tool_use"
    wrong = asked | {"tools": [WEATHER | {"input_examples": ["Cusco"]}]}
    assert "input_examples must be an array of objects" in refused(server, wrong)
