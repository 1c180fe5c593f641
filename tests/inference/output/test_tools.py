"""Tool calls are found wherever the pieces are cut, and nothing else of the text is lost."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.patient import PATIENT

from puna.inference.output.events import ContentText, OutputEvent, ToolCallParsed
from puna.inference.output.tools import MAX_CALL, MAX_HEADER, ToolCallParser, closing_marker

NAMES = ("get_weather", "get", "add")
OSLO = '{"name": "get_weather", "arguments": {"city": "Oslo", "a": 1.50}}'
ADD = '{"name":"add","parameters":{"b":2,"a":1}}'
CALL_OSLO = ToolCallParsed("get_weather", '{"city":"Oslo","a":1.5}')
CALL_ADD = ToolCallParsed("add", '{"b":2,"a":1}')


def run(prefix: str, *pieces: str) -> list[OutputEvent]:
    parser = ToolCallParser(prefix, NAMES)
    events: list[OutputEvent] = []
    for event in [event for piece in pieces for event in parser.feed(piece)] + parser.finish():
        if isinstance(event, ContentText) and events and isinstance(events[-1], ContentText):
            events[-1] = ContentText(events[-1].text + event.text)
        else:
            events.append(event)
    return events


CASES: dict[str, tuple[str, str, list[OutputEvent]]] = {
    "one call": ("<tool_call>", f"<tool_call>\n{OSLO}\n</tool_call>", [CALL_OSLO]),
    "two calls": (
        "<tool_call>",
        f"<tool_call>\n{OSLO}\n</tool_call>\n<tool_call>{ADD}</tool_call>\n",
        [CALL_OSLO, CALL_ADD],
    ),
    "two calls in one pair": ("<tool_call>", f"<tool_call>{OSLO}\n{ADD}</tool_call>", [CALL_OSLO, CALL_ADD]),
    "no closing tag": ("<tool_call>", f"<tool_call>{OSLO}", [CALL_OSLO]),
    "cut closing tag": ("<tool_call>", f"<tool_call>{OSLO}\n</tool_", [CALL_OSLO]),
    "text around": (
        "<tool_call>",
        f"Let me see.\n<tool_call>{OSLO}</tool_call>\nDone < {{now}}.",
        [ContentText("Let me see.\n"), CALL_OSLO, ContentText("\nDone < {now}.")],
    ),
    "space inside the tags is dropped": (
        "<tool_call>",
        f"<tool_call>\n{ADD}\n</tool_call> ok",
        [CALL_ADD, ContentText(" ok")],
    ),
    "list": ("[TOOL_CALLS]", f"[TOOL_CALLS] [{OSLO}, {ADD}]", [CALL_OSLO, CALL_ADD]),
    "list, then text": ("[TOOL_CALLS]", f"[TOOL_CALLS][{ADD}] ok", [CALL_ADD, ContentText(" ok")]),
    "marker twice": ("[TOOL_CALLS]", f"[TOOL_CALLS][{ADD}][TOOL_CALLS][{OSLO}]", [CALL_ADD, CALL_OSLO]),
    "name before the object": ("[TOOL_CALLS]", '[TOOL_CALLS]add[ARGS]{"b":2,"a":1}', [CALL_ADD]),
    "function tag": ("<function=", '<function=add>{"b":2,"a":1}</function>', [CALL_ADD]),
    "fenced list": ("Action: ```json", f"Action: ```json\n[\n{ADD}\n]```", [CALL_ADD]),
    "bare object": ("{", f" \n{OSLO}", [CALL_OSLO]),
    "bare list": ("[", f"[{OSLO},{ADD}]", [CALL_OSLO, CALL_ADD]),
    "bare objects": ("{", f"{OSLO}; {ADD}", [CALL_OSLO, CALL_ADD]),
    "bare, then text": ("{", f"{OSLO} That is it.", [CALL_OSLO, ContentText(" That is it.")]),
    "text before a bare object": ("{", f"Here: {OSLO}", [ContentText(f"Here: {OSLO}")]),
    "other json": ("{", '{"a": {"b": 1}} and {more}', [ContentText('{"a": {"b": 1}} and {more}')]),
    "unknown tool": (
        "<tool_call>",
        '<tool_call>{"name":"rm","arguments":{}}</tool_call>',
        [ContentText('<tool_call>{"name":"rm","arguments":{}}</tool_call>')],
    ),
    "no arguments": ("<tool_call>", '<tool_call>{"name":"get"}</tool_call>', [ToolCallParsed("get", "{}")]),
    "arguments as a string": (
        "{",
        '{"name":"get","arguments":"{\\"x\\": 1}"}',
        [ToolCallParsed("get", '{"x":1}')],
    ),
    "wrapped": ("{", f'{{"type":"function","function":{ADD}}}', [CALL_ADD]),
    "wrapped list": ("{", f'{{"tool_calls":[{ADD},{OSLO}]}}', [CALL_ADD, CALL_OSLO]),
    "name as key": ("{", '{"add":{"b":2,"a":1}}', [CALL_ADD]),
    "braces and quotes in strings": (
        "{",
        '{"name":"get","arguments":{"x":"}\\"{\\\\","y":"<tool_call>"}}',
        [ToolCallParsed("get", '{"x":"}\\"{\\\\","y":"<tool_call>"}')],
    ),
    "raw newline in a string": (
        "{",
        '{"name":"get","arguments":{"x":"a\nb"}}',
        [ToolCallParsed("get", '{"x":"a\\nb"}')],
    ),
    "incomplete": ("<tool_call>", '<tool_call>{"name":"ge', [ContentText('<tool_call>{"name":"ge')]),
    "broken json": ("<tool_call>", "<tool_call>{add}</x>", [ContentText("<tool_call>{add}</x>")]),
    "empty call": ("<tool_call>", f"<tool_call></tool_call><tool_call>{ADD}", [
        ContentText("<tool_call></tool_call>"),
        CALL_ADD,
    ]),
    "plain text": ("<tool_call>", "a < b, <tool> {x}", [ContentText("a < b, <tool> {x}")]),
    "not a number": ("{", '{"name":"add","arguments":{"a":NaN}}', [
        ContentText('{"name":"add","arguments":{"a":NaN}}'),
    ]),
}  # fmt: skip


@pytest.mark.parametrize(("prefix", "text", "expected"), CASES.values(), ids=CASES)
def test_whole_and_at_every_cut(prefix: str, text: str, expected: list[OutputEvent]) -> None:
    assert run(prefix, text) == expected
    assert run(prefix, *text) == expected
    for cut in range(len(text) + 1):
        assert run(prefix, text[:cut], text[cut:]) == expected


def test_a_call_arrives_as_soon_as_it_is_complete() -> None:
    parser = ToolCallParser("[TOOL_CALLS]", NAMES)
    assert parser.feed("Hm [TOOL") == [ContentText("Hm ")]
    assert parser.feed(f"_CALLS] [{ADD[:-1]}") == []
    assert parser.feed("}") == [CALL_ADD]
    assert parser.feed(f",{OSLO}") == [CALL_OSLO]


def test_a_longer_name_is_not_taken_for_a_shorter_one() -> None:
    text = '<function=get_all>{"x":1}</function>'
    assert run("<function=", text) == [ContentText(text)]
    assert run("<function=", '<function=get_weather>{"x":1}') == [ToolCallParsed("get_weather", '{"x":1}')]


@pytest.mark.parametrize(
    "text",
    ["<tool_call>" + "x" * (MAX_HEADER + 1), '<tool_call>{"name":"' + "x" * (MAX_CALL + 1)],
    ids=["header", "object"],
)
def test_what_grows_without_end_is_text(text: str) -> None:
    parser = ToolCallParser("<tool_call>", NAMES)
    events = parser.feed(text)
    assert "".join(event.text for event in events if isinstance(event, ContentText)) == text
    assert run("<tool_call>", text[:50], text[50:]) == run("<tool_call>", text)


def test_deep_json_is_no_call() -> None:
    text = "{" + '"a":{' * 50_000 + "}" * 50_001
    assert run("{", text) == [ContentText(text)]


@pytest.mark.parametrize("depth", [5, 300, 900, 950, 980, 1000, 1500, 20_000])
def test_deep_arguments_are_a_call_or_text(depth: int) -> None:
    text = '{"name":"get","arguments":{"x":' + "[" * depth + "]" * depth + "}}"
    event = run("{", text)[0]
    assert isinstance(event, ToolCallParsed) if depth < 300 else event


@pytest.mark.parametrize(
    ("marker", "closing"),
    [
        ("<tool_call>", "</tool_call>"),
        ("<function=", "</function>"),
        ("[TOOL_CALLS]", "[/TOOL_CALLS]"),
        ("```json", "```"),
        ("<|python_tag|>", ""),
    ],
)
def test_closing_marker(marker: str, closing: str) -> None:
    assert closing_marker(marker) == closing


PIECES = st.lists(
    st.sampled_from(
        [
            OSLO,
            ADD,
            "<tool_call>",
            "</tool_call>",
            "<tool",
            "_call>",
            "{",
            "}",
            "[",
            "]",
            ",",
            " ",
            "\n",
            '"',
            "\\",
            "a",
        ]
    ),
    max_size=12,
)


@settings(PATIENT, max_examples=300)
@given(st.sampled_from(["<tool_call>", "{", "["]), PIECES.map("".join), st.lists(st.integers(0, 300)))
def test_the_cut_of_the_pieces_does_not_matter(prefix: str, text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in pairwise(places)]
    events = run(prefix, *pieces)
    assert events == run(prefix, text)
    assert all(json.loads(event.arguments_json) for event in events if isinstance(event, ToolCallParsed))
