"""The engine's streams as events: its chat endpoint's deltas, cut anywhere, and the ends of both."""

from typing import Any

import pytest
from tests.inference.world import calls_of, text_of, thinking_of

from puna.inference.engine_events import ChatDecoder, decode_completion
from puna.inference.events import CallArguments, CallStarted, Finished, Reading, Said, Text, Thought

TIMINGS = {"cache_n": 3, "prompt_n": 4, "prompt_ms": 2.0, "predicted_n": 5, "predicted_ms": 1.5}
ARGUMENTS = '{"city":"K\\"}{ö","at":{"b":[1,{}],"a":null}}'


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


def call(index: int, arguments: str, name: str = "") -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": index, "id": "theirs", "function": function}


def decode(*events: dict[str, Any]) -> list[Said]:
    decoder = ChatDecoder()
    return [item for event in events for item in decoder.decode(event)]


def named(items: list[Said]) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in calls_of(items)]


@pytest.mark.parametrize("cut", range(len(ARGUMENTS) + 1))
def test_call_is_complete_with_its_last_brace(cut: int) -> None:
    pieces = [call(0, "", "f"), call(0, ARGUMENTS[:cut]), call(0, ARGUMENTS[cut:])]
    items = decode(*(chunk(tool_calls=[piece]) for piece in pieces))
    assert named(items) == [("f", {"city": 'K"}{ö', "at": {"b": [1, {}], "a": None}})]


def test_several_calls_have_ids_of_their_own() -> None:
    items = decode(chunk(tool_calls=[call(0, "{}", "f"), call(1, '{"a":', "g")]), chunk(tool_calls=[call(1, "1}")]))
    assert named(items) == [("f", {}), ("g", {"a": 1})]
    ids = {call.id for call in calls_of(items)}
    assert len(ids) == 2
    assert "theirs" not in ids


def test_half_of_a_surrogate_pair_does_not_lose_the_call() -> None:
    items = decode(chunk(tool_calls=[call(0, '{"a":"\\ud83d","b":123456789012345678901234567890}', "f")]))
    ((name, arguments),) = named(items)
    assert name == "f"
    assert arguments["a"] == "?"


def test_call_that_is_cut_off_is_no_call() -> None:
    items = decode(chunk(tool_calls=[call(0, '{"a":', "f")]), chunk("length") | {"timings": TIMINGS})
    assert named(items) == []
    assert items[1] == CallArguments(0, '{"a":')
    assert isinstance(items[-1], Finished)


def test_space_after_the_thinking_is_dropped() -> None:
    items = decode(chunk(reasoning_content="so \n"), chunk(reasoning_content="it is\n\n"), chunk(content="7"))
    assert items == [Thought("so"), Thought(" \nit is"), Text("7")]


@pytest.mark.parametrize(("theirs", "ours"), [("stop", "stop"), ("length", "length"), ("tool_calls", "stop")])
def test_end_of_a_chat(theirs: str, ours: str) -> None:
    (end,) = decode(chunk(theirs) | {"timings": TIMINGS})
    assert end == Finished(ours, 7, 2_000_000, 5, 1_500_000, cached_tokens=3)


def test_timings_are_no_end() -> None:
    items = decode(chunk(content="x") | {"timings": TIMINGS}, chunk("stop") | {"timings": TIMINGS})
    assert [type(item) for item in items] == [Text, Finished]


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
@pytest.mark.parametrize("cut", range(1, 6))
def test_stop_string_ends_a_chat_wherever_it_is_cut(field: str, cut: int) -> None:
    text = "so it is"
    events = [chunk(**{field: piece}) | {"timings": TIMINGS} for piece in (text[:cut], text[cut:])]
    decoder = ChatDecoder(["it i"])
    *pieces, end = [item for event in events for item in decoder.decode(event)]
    assert (text_of(pieces) + thinking_of(pieces)).strip() == "so"
    assert isinstance(end, Finished)
    assert (end.reason, end.stop, end.generated_tokens) == ("stop", "it i", 5)


def test_what_is_held_back_at_a_limit_is_said() -> None:
    decoder = ChatDecoder(["it is!"])
    events = [chunk(reasoning_content="say it"), chunk(content="so it"), chunk("length") | {"timings": TIMINGS}]
    *pieces, end = [item for event in events for item in decoder.decode(event)]
    assert (thinking_of(pieces), text_of(pieces)) == ("say it", "so it")
    assert isinstance(end, Finished)
    assert (end.reason, end.stop) == ("length", "")


@pytest.mark.parametrize(("theirs", "ours"), [("eos", "stop"), ("word", "stop"), ("limit", "length")])
def test_end_of_a_completion(theirs: str, ours: str) -> None:
    event = {"content": "x", "stop": True, "stop_type": theirs, "timings": TIMINGS}
    assert list(decode_completion(event)) == [Text("x"), Finished(ours, 7, 2_000_000, 5, 1_500_000, cached_tokens=3)]


def test_bytes_of_a_token_are_the_engine_s() -> None:
    probabilities = [
        {"token": "\ufffd", "logprob": -0.5, "bytes": [0xE4], "top_logprobs": [{"token": "é", "logprob": -0.5}]}
    ]
    (piece,) = decode_completion({"content": "", "completion_probabilities": probabilities})
    assert isinstance(piece, Text)
    assert piece.logprobs[0].chosen.bytes == (0xE4,)
    assert piece.logprobs[0].top[0].bytes == tuple("é".encode())


def test_thoughts_are_counted_and_progress_is_told() -> None:
    progress = {"total": 9, "cache": 3, "processed": 5}
    items = decode(
        {"prompt_progress": progress},
        chunk(reasoning_content="so") | {"timings": {**TIMINGS, "predicted_n": 4}},
        chunk(content="7"),
        chunk("stop") | {"timings": TIMINGS},
    )
    assert items[0] == Reading(9, 3, 5)
    assert isinstance(items[-1], Finished)
    assert (items[-1].thinking_tokens, items[-1].generated_tokens) == (4, 5)


def test_calls_are_counted_from_the_first_and_guesses_told() -> None:
    calls = [{"index": index, "function": {"name": name, "arguments": "{}"}} for index, name in ((3, "f"), (1, "g"))]
    timings = TIMINGS | {"draft_n": 8, "draft_n_accepted": 6}
    *items, end = decode(chunk(tool_calls=calls), chunk("tool_calls") | {"timings": timings})
    assert [item.call for item in items if isinstance(item, CallStarted | CallArguments)] == [0, 0, 1, 1]
    assert isinstance(end, Finished)
    assert (end.drafted_tokens, end.accepted_tokens) == (8, 6)
