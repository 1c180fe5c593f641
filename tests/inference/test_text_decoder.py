"""An answer that comes as text: the same however it is cut into pieces."""

from typing import Any

import pytest
from tests.inference.world import calls_of, said, text_of, thinking_of

from puna.inference.events import Finished, Text, Thought
from puna.inference.output.thinking import ThinkingParser
from puna.inference.output.tools import ToolCallParser
from puna.inference.text_decoder import TextDecoder

ANSWER = (
    "<think>\nI need 天气 </thin\n</think>\n\nLet me look. "
    '<tool_call>\n{"name":"get_weather","arguments":{"city":"Köln","at":{"b":[1,2.5],"a":"}"}}}\n</tool_call>\n'
    '<tool_call>\n{"name":"add","arguments":{"a":1}}\n</tool_call> Done <tool'
)


def decode(*pieces: str) -> tuple[str, str, list[tuple[str, list[tuple[str, Any]]]]]:
    parsers = [ThinkingParser("<think>", "</think>"), ToolCallParser("<tool_call>", ["get_weather", "add"])]
    decoder = TextDecoder(parsers)
    events = [item for event in said(*pieces) for item in decoder.decode(event)]
    *pieces, end = events
    assert isinstance(end, Finished)
    calls = calls_of(pieces)
    assert len({call.id for call in calls}) == len(calls)
    return (
        thinking_of(pieces),
        text_of(pieces),
        [(call.name, list(call.arguments.items())) for call in calls],
    )


def test_parts_of_an_answer() -> None:
    thinking, content, calls = decode(ANSWER)
    assert thinking == "I need 天气 </thin"
    assert content.split() == ["Let", "me", "look.", "Done", "<tool"]
    assert calls == [("get_weather", [("city", "Köln"), ("at", {"b": [1, 2.5], "a": "}"})]), ("add", [("a", 1)])]


def test_one_cut_changes_nothing() -> None:
    whole = decode(ANSWER)
    for cut in range(1, len(ANSWER)):
        assert decode(ANSWER[:cut], ANSWER[cut:]) == whole, cut


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pieces_of_one_size_change_nothing(size: int) -> None:
    pieces = [ANSWER[start : start + size] for start in range(0, len(ANSWER), size)]
    assert decode(*pieces) == decode(ANSWER)


def test_log_probabilities_go_with_the_first_part_or_alone() -> None:
    decoder = TextDecoder([ThinkingParser("<think>", "</think>")])
    probabilities = [{"token": "x", "logprob": -1.0, "bytes": [120]}]
    events = [{"content": text, "completion_probabilities": probabilities} for text in ("<th", "ink>so</think>yes")]
    pieces = [piece for event in events for piece in decoder.decode(event)]
    assert all(isinstance(piece, Text | Thought) for piece in pieces)
    assert [len(piece.logprobs) for piece in pieces] == [1, 1, 0]
    assert [(type(piece), piece.text) for piece in pieces] == [(Text, ""), (Thought, "so"), (Text, "yes")]


@pytest.mark.parametrize("cut", range(1, 7))
def test_stop_string_ends_the_text_with_the_counts_of_its_token(cut: int) -> None:
    decoder = TextDecoder((), ["b c", "d"])
    text = "a b c d"
    *pieces, end = [item for event in said(text[:cut], text[cut:]) for item in decoder.decode(event)][:3]
    assert text_of(pieces) == "a "
    assert isinstance(end, Finished)
    assert (end.reason, end.stop, end.generated_tokens) == ("stop", "b c", 1 if cut >= 5 else 2)


def test_what_is_held_back_at_a_limit_is_said() -> None:
    decoder = TextDecoder((), ["so it is"])
    *pieces, end = [item for event in said("well so ", "it ", stop_type="limit") for item in decoder.decode(event)]
    assert text_of(pieces) == "well so it "
    assert isinstance(end, Finished)
    assert (end.reason, end.stop) == ("length", "")


def test_tokens_of_thoughts_are_those_up_to_the_last_piece_that_is_one() -> None:
    decoder = TextDecoder([ThinkingParser("<think>", "</think>", opened=True)])
    *_, end = [item for event in said("so", " it", " is</think>yes", "!") for item in decoder.decode(event)]
    assert isinstance(end, Finished)
    assert (end.thinking_tokens, end.generated_tokens) == (2, 4)
