"""What the engine is sent, in its own words."""

from pathlib import Path

import pytest
from tests.inference.world import model_of, request_of

from puna.inference.engine_body import chat_body, chat_message, common_body, logprobs_for_completion
from puna.inference.format.constraint import bind
from puna.inference.options import Options
from puna.inference.requests import Conversation, Message, Think, ToolCall


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
