"""From events to Anthropic's, where no model is needed to see it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.api.anthropic.asking import put_together

from puna.api.anthropic.encoder import AnthropicEncoder
from puna.api.anthropic.schemas import MessagesBody
from puna.api.prefixes import Fingerprint, Prefixes
from puna.api.seal import Seal
from puna.engine.errors import RunnerCrashedError
from puna.inference.answer import Collector
from puna.inference.events import CallArguments, CallStarted, Event, Finished, Reading, Started, Text, Thought
from puna.inference.requests import Conversation

MODEL: Any = SimpleNamespace(digest="m")


@pytest.fixture
def encoder(tmp_path: Path) -> AnthropicEncoder:
    body = MessagesBody.model_validate({"model": "cria", "max_tokens": 9, "stop_sequences": ["END"]})
    prompt = Fingerprint.of(MODEL, Conversation(messages=()))
    return AnthropicEncoder(body, Seal(tmp_path), Prefixes().compare("", prompt))


def finished(**more: Any) -> Finished:
    known: dict[str, Any] = {"reason": "stop", "prompt_tokens": 20, "cached_tokens": 15, "generated_tokens": 4}
    return Finished(**(known | {"prompt_duration": 1, "generation_duration": 1} | more))


def streamed(encoder: AnthropicEncoder, *said: Event) -> dict[str, Any]:
    """Return the message that events make, each sent by itself."""
    text = b"".join(encoder.pieces([event]) for event in (Started(1), *said)).decode()
    found = [json.loads(piece.partition("\ndata: ")[2]) for piece in text.split("\n\n")[:-1]]
    return put_together([event for event in found if event["type"] != "ping"])


def whole(encoder: AnthropicEncoder, *said: Event) -> dict[str, Any]:
    collector = Collector()
    collector.add([Started(1), *said])
    return json.loads(json.dumps(encoder.whole(collector.answers())))


both = pytest.mark.parametrize("told", [streamed, whole])
CALL = (CallStarted(0, "call_1a2b", "f"), CallArguments(0, '{"a":'), CallArguments(0, " 1}"))


@both
def test_space_alone_is_no_text(encoder: AnthropicEncoder, told: Any) -> None:
    message = told(encoder, Reading(20, 15, 0), Thought("hm"), Text("\n"), Text("\n"), *CALL, Text("\n"), finished())
    thought, call = message["content"]
    assert (thought["type"], thought["thinking"]) == ("thinking", "hm")
    assert call == {"type": "tool_use", "id": "toolu_1a2b", "name": "f", "input": {"a": 1}}
    assert (message["stop_reason"], message["stop_sequence"]) == ("tool_use", None)


@both
def test_space_before_a_word_is_kept(encoder: AnthropicEncoder, told: Any) -> None:
    message = told(encoder, Reading(20, 15, 0), Text(" "), Text("\n"), Text("a"), Text(" "), Text("b"), finished())
    assert message["content"] == [{"type": "text", "text": " \na b"}]
    assert message["usage"]["input_tokens"] == 5
    assert message["usage"]["cache_read_input_tokens"] == 15


@both
def test_stop_string_of_the_model_is_not_told(encoder: AnthropicEncoder, told: Any) -> None:
    message = told(encoder, Text("a"), finished(stop="<|end|>"))
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)


@both
def test_stop_sequence(encoder: AnthropicEncoder, told: Any) -> None:
    message = told(encoder, Text("a"), finished(stop="END"))
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


@both
def test_empty_answer(encoder: AnthropicEncoder, told: Any) -> None:
    message = told(encoder, Reading(20, 15, 0), finished(generated_tokens=0))
    assert (message["content"], message["stop_reason"]) == ([], "end_turn")


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [(['{"a": "x', "y"], {"a": "xy"}), (['{"a": 1, "b'], {"a": 1}), ([], {}), (["{"], {})],
)
def test_call_that_is_cut_off(encoder: AnthropicEncoder, pieces: list[str], arguments: Any) -> None:
    said = [CallStarted(0, "call_1", "f"), *(CallArguments(0, piece) for piece in pieces), finished(reason="length")]
    message = whole(encoder, *said)
    assert message["content"][0]["input"] == arguments
    assert message["stop_reason"] == "max_tokens"


def test_silence_and_failure(encoder: AnthropicEncoder) -> None:
    assert encoder.still() == b'event: ping\ndata: {"type":"ping"}\n\n'
    scope = {"type": "http", "path": "/v1/messages", "headers": [], "puna.request_id": "7"}
    assert encoder.failed(scope, RunnerCrashedError("it was lost")) == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"it was lost"},'
        b'"request_id":"req_7"}\n\n'
    )
