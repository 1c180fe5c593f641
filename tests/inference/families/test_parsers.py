"""Each family's answers: what is said, thought and called. ``answers.jsonl`` has texts, and what is in them.

However a text is cut, the same is found in it.
"""

import json
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.patient import PATIENT

from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.output.events import ContentText, ThinkingText, ToolCallParsed

GIVEN, *CASES = [json.loads(line) for line in Path(__file__).with_name("answers.jsonl").read_text().splitlines()]
MARKS = sorted({mark for parsing in PARSERS.values() for mark in parsing.preserved})


def asked(case: dict[str, Any]) -> Asked:
    last = case.get("last", {})
    answer = last if last.get("role") == "assistant" else {}
    tools = [tool["function"] for tool in GIVEN["tools"][case["tools"]]]
    return Asked(
        tools={tool["name"]: tool.get("parameters", {}) for tool in tools},
        think=case["think"],
        prefill=answer.get("content", ""),
        prefill_thinking=answer.get("thinking", ""),
        after_result=last.get("role") == "tool",
    )


def found(name: str, request: Asked, pieces: Iterable[str]) -> tuple[str, str, list[tuple[str, Any]]]:
    """Return the content, the thoughts and the calls that a parser finds."""
    parser = PARSERS[name].make(request)
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.finish()
    return (
        "".join(event.text for event in events if isinstance(event, ContentText)),
        "".join(event.text for event in events if isinstance(event, ThinkingText)),
        [(event.name, json.loads(event.arguments_json)) for event in events if isinstance(event, ToolCallParsed)],
    )


def cut(text: str, seed: int) -> list[str]:
    source = random.Random(seed)
    places = sorted(source.sample(range(len(text) + 1), min(len(text), source.randint(1, 12))))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['parser']}-{case['id']}")
def test_answer(case: dict[str, Any]) -> None:
    expected = (case["content"], case["thinking"], [tuple(call) for call in case["calls"]])
    text, request = case["text"], asked(case)
    assert found(case["parser"], request, [text]) == expected
    assert found(case["parser"], request, text) == expected, "one character at a time"
    for seed in range(8):
        assert found(case["parser"], request, cut(text, seed)) == expected, cut(text, seed)


PIECES = st.lists(st.one_of(st.sampled_from(MARKS), st.sampled_from(["\n", " ", "a", '{"', '"}', "call:f{", "北"])))


@pytest.mark.parametrize("name", PARSERS)
@settings(PATIENT, max_examples=60)
@given(pieces=PIECES, think=st.sampled_from([None, True, False]), has_tools=st.booleans(), seed=st.integers(0, 99))
def test_any_text_is_read_alike_however_it_is_cut(
    name: str, pieces: list[str], think: bool | None, has_tools: bool, seed: int
) -> None:
    text = "".join(pieces)
    request = Asked(tools={"f": {"properties": {"a": {"type": "integer"}}}} if has_tools else {}, think=think)
    whole = found(name, request, [text])
    assert found(name, request, text) == whole
    assert found(name, request, cut(text, seed)) == whole


ALWAYS_THINK = ("qwen3-vl-thinking", "olmo3-think")


@pytest.mark.parametrize("name", [name for name in PARSERS if name not in ALWAYS_THINK])
def test_plain_text_is_lost_by_none(name: str) -> None:
    begin = {"harmony": "<|channel|>final<|message|>", "glimmer": " to=user<|message|>", "cohere": "<|START_TEXT|>"}
    for tail in ("<", "[", "<tool", "<|", "{"):
        said, _, calls = found(name, Asked(think=False), [begin.get(name, ""), f"The answer is 4 {tail}"])
        assert said == f"The answer is 4 {tail}"
        assert calls == []


def test_no_word_of_an_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    for case in CASES:
        found(case["parser"], asked(case), [case["text"]])
    said = {record.getMessage() for record in caplog.records}
    assert said and all(
        re.fullmatch(r"a call of \d+ characters cannot be read and stays as text", text) for text in said
    )
