"""What the engine is sent, in its own words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.inference.world import model_of, request_of

from puna.inference.engine_body import chat_body, chat_message, chosen_body, common_body, logprobs_for_completion
from puna.inference.format.constraint import bind
from puna.inference.options import Options
from puna.inference.requests import Conversation, Message, Think, ToolCall, ToolChoice


@pytest.mark.parametrize(
    ("options", "shift", "limit"),
    [
        ({}, True, 1000),
        ({"num_predict": -2}, True, 1000),
        ({"num_predict": 0}, True, 1000),
        ({"num_predict": 7}, True, 7),
        ({}, False, 60),
        ({"num_predict": 7}, False, 7),
        ({"num_predict": 70}, False, 60),
    ],
)
def test_limit(tmp_path: Path, options: dict[str, int], shift: bool, limit: int) -> None:
    body = common_body(request_of(model_of(tmp_path), "x", shift=shift, options=options), 100, 40)
    assert body["n_predict"] == limit


def test_options_go_under_the_engine_s_names(tmp_path: Path) -> None:
    options = {"temperature": 0.5, "num_keep": 9, "stop": "end", "mirostat": 1}
    body = common_body(request_of(model_of(tmp_path), "x", options=options), 100)
    assert (body["temperature"], body["n_keep"], body["mirostat"]) == (0.5, 9, 1)
    assert "stop" not in body, "the engine loses what it holds back for a stop string"
    assert body["timings_per_token"] is True, "the call ends at the stop string, and with the counts of its event"
    assert body["top_p"] == Options().sampling["top_p"]
    assert body["stream"] is True
    assert "grammar" not in body


def test_prompts_are_kept_and_thoughts_counted(tmp_path: Path) -> None:
    asked = request_of(model_of(tmp_path), "x")
    body = common_body(asked, 100)
    assert (body["cache_prompt"], body["timings_per_token"], body["return_progress"]) == (True, False, False)
    assert common_body(replace(asked, can_think=True), 100)["timings_per_token"], "nobody else counts them"
    assert common_body(replace(asked, with_reading=True), 100)["return_progress"]


def test_an_adapter_that_a_request_leaves_out_is_off(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    model.__dict__["adapters"] = (tmp_path / "a", tmp_path / "b", tmp_path / "c")
    body = common_body(request_of(model, "x", options={"lora": [{"id": 1, "scale": 0.5}]}), 100)
    assert body["lora"] == [{"id": 0, "scale": 0}, {"id": 1, "scale": 0.5}, {"id": 2, "scale": 0}]
    assert "lora" not in common_body(request_of(model, "x"), 100), "then each is as the model has it"


@pytest.mark.parametrize(("budget", "sent"), [(-1, None), (0, 1), (1, 1), (7, 7)])
def test_thoughts_have_their_budget(tmp_path: Path, budget: int, sent: int | None) -> None:
    asked = replace(request_of(model_of(tmp_path), "x", options={"thinking_budget": budget}), can_think=True)
    conversation = Conversation(messages=())
    assert chat_body(asked, conversation, think=True).get("thinking_budget_tokens") == sent
    assert "thinking_budget_tokens" not in chat_body(replace(asked, think=False), conversation, think=False)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ToolChoice(), {}),
        (ToolChoice("required"), {"tools": "fg", "tool_choice": "required", "parallel_tool_calls": True}),
        (ToolChoice("required", ("g",)), {"tools": "g", "tool_choice": "required", "parallel_tool_calls": True}),
        (ToolChoice(parallel=False), {"tools": "fg", "tool_choice": "auto", "parallel_tool_calls": False}),
    ],
)
def test_the_choice_of_calls_is_sent(choice: ToolChoice, sent: dict[str, Any]) -> None:
    tools = tuple({"type": "function", "function": {"name": name}} for name in "fg")
    body = chosen_body(Conversation(messages=(), tools=tools, tool_choice=choice))
    names = "".join(tool["function"]["name"] for tool in body.get("tools", ()))
    assert body | ({"tools": names} if body else {}) == sent
    assert chosen_body(Conversation(messages=(), tool_choice=choice)) == {}


@pytest.mark.parametrize("asked", ["json", {}, {"type": "integer"}])
async def test_format_goes_as_a_grammar(tmp_path: Path, asked: str | dict[str, str]) -> None:
    options = {"ignore_eos": True}
    request = request_of(model_of(tmp_path), "x", format=await bind(asked), options=options)
    body = common_body(request, 100)
    assert body["grammar"].startswith("root ::= ")
    assert not body["ignore_eos"]


@pytest.mark.parametrize(("top", "alternatives"), [(0, 1), (5, 5)])
def test_log_probabilities(tmp_path: Path, top: int, alternatives: int) -> None:
    model = model_of(tmp_path)
    asked = request_of(model, "x", logprobs=True, top_logprobs=top)
    assert logprobs_for_completion(asked)["n_probs"] == alternatives
    assert chat_body(asked, Conversation(messages=()), None)["top_logprobs"] == alternatives
    assert logprobs_for_completion(request_of(model, "x", top_logprobs=top)) == {}


@pytest.mark.parametrize(
    ("think", "expected"),
    [
        (None, None),
        (False, {"enable_thinking": False, "thinking": False}),
        (True, {"enable_thinking": True, "thinking": True}),
        ("high", {"enable_thinking": True, "thinking": True, "reasoning_effort": "high"}),
    ],
)
def test_thinking(tmp_path: Path, think: Think, expected: dict[str, object] | None) -> None:
    body = chat_body(request_of(model_of(tmp_path), "x"), Conversation(messages=()), think)
    assert body.get("chat_template_kwargs") == expected


def test_message_with_everything() -> None:
    call = ToolCall(name="f", arguments={"z": 1, "a": "é"}, id="call_1")
    assert chat_message(Message(role="assistant", content="c", thinking="t", tool_calls=(call,))) == {
        "role": "assistant",
        "content": "c",
        "reasoning_content": "t",
        "tool_calls": [{"type": "function", "id": "call_1", "function": {"name": "f", "arguments": '{"z":1,"a":"é"}'}}],
    }
    result = Message(role="tool", content="r", tool_name="f", tool_call_id="call_1")
    assert chat_message(result) == {"role": "tool", "content": "r", "name": "f", "tool_call_id": "call_1"}


def test_pictures_and_sound_go_where_they_belong() -> None:
    images = (b"abc", b"RIFF\0\0\0\0WAVE")
    assert chat_message(Message(role="user", content="see hear", images=images, places=(4, 8)))["content"] == [
        {"type": "text", "text": "see "},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,YWJj"}},
        {"type": "text", "text": "hear"},
        {"type": "input_audio", "input_audio": {"data": "UklGRgAAAABXQVZF", "format": "wav"}},
    ]


def test_images_come_before_the_text() -> None:
    content = chat_message(Message(role="user", content="what?", images=(b"abc",)))["content"]
    assert content == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,YWJj"}},
        {"type": "text", "text": "what?"},
    ]
