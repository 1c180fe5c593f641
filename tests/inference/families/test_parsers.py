"""Each family's answers: what is said, thought and called. ``answers.jsonl`` has texts, and what is in them.

However a text is cut, the same is found in it.
"""

import json
import random
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.patient import PATIENT

from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.output.calls import ObjectScanner
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


NO_NUMBERS = (
    (
        "qwen3.5",
        "<tool_call>\n<function=f>\n<parameter=a>\n[1, NaN]\n</parameter>\n</function>\n</tool_call>",
        "[1, NaN]",
    ),
    ("qwen3-coder", "<tool_call><function=f><parameter=a>[1e999]</parameter></function></tool_call>", "[1e999]"),
    ("glm-4.7", "<tool_call>f<arg_key>a</arg_key><arg_value>[-Infinity]</arg_value></tool_call>", "[-Infinity]"),
    (
        "deepseek-v3.2",
        '<｜DSML｜function_calls><｜DSML｜invoke name="f">'
        '<｜DSML｜parameter name="a" string="false">[NaN]</｜DSML｜parameter>'
        "</｜DSML｜invoke></｜DSML｜function_calls>",
        "[NaN]",
    ),
    ("olmo3", '<function_calls>f(a={"b": [NaN, -1e999]})</function_calls>', {"b": ["NaN", "-1e999"]}),
    ("lfm2", "<|tool_call_start|>[f(a=1e999)]<|tool_call_end|>", "1e999"),
    ("lfm2", f"<|tool_call_start|>[f(a={'9' * 5000})]<|tool_call_end|>", "9" * 5000),
)


@pytest.mark.parametrize(("name", "text", "argument"), NO_NUMBERS, ids=lambda value: str(value)[:16])
def test_what_json_cannot_say_is_a_text_in_a_call(name: str, text: str, argument: Any) -> None:
    request = Asked(tools={"f": {"properties": {"a": {"type": "array"}}}}, think=False)
    parser = PARSERS[name].make(request)
    [event] = [*parser.feed(text), *parser.finish()]
    assert isinstance(event, ToolCallParsed)
    assert orjson.loads(event.arguments_json) == {"a": argument}


@pytest.mark.parametrize("value", ["1e999", "[1,-1e999]", "{b:1e999}"])
def test_a_call_of_gemma_with_a_number_that_is_none_stays_as_text(value: str) -> None:
    text = f"<|tool_call>call:f{{a:{value}}}<tool_call|>"
    assert found("gemma4", Asked(tools={"f": {}}), [text]) == (text, "", [])


def test_texts_in_calls_of_python_have_the_escapes_of_python() -> None:
    text = r"""<|tool_call_start|>[f(a="\d+\.py \u00fc \ud83d\ude00 \x41\\n\n\"", b='it\'s')]<|tool_call_end|>"""
    calls = found("lfm2", Asked(tools={"f": {}}), [text])[2]
    assert calls == [("f", {"a": '\\d+\\.py ü 😀 A\\n\n"', "b": "it's"})]


def test_arguments_that_are_too_deep_stay_as_text() -> None:
    text = "<|tool_call_start|>[f(a={}'b'{})]<|tool_call_end|>".format("[" * 2000, "]" * 2000)
    assert found("lfm2", Asked(tools={"f": {}}), [text]) == (text, "", [])


@pytest.mark.parametrize("name", [name for name, found in PARSERS.items() if found.thinking and found.calls])
def test_thoughts_that_speak_of_calls_stay_thoughts(name: str) -> None:
    parsing = PARSERS[name]
    assert parsing.calls is not None
    thought = f"I may write {parsing.calls.mark} for this."
    text = f"{parsing.thought}{thought}{parsing.answer_after_thoughts(may_call=False)}Hello there."
    request = Asked(tools={"f": {"properties": {"a": {"type": "integer"}}}}, think=True)
    for pieces in ([text], list(text)):
        said, thinking, calls = found(name, request, pieces)
        assert (said, thinking, calls) == ("Hello there.", thought, [])


@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        (r'{cmd:"ls, a:b {c:d}",n:<|"|>x "y", z:1<|"|>}', {"cmd": "ls, a:b {c:d}", "n": 'x "y", z:1'}),
        (r'{"a":["say \"hi\"", "C:\dir"]}', {"a": ['say "hi"', "C:\\dir"]}),
        ("{a:'x, y:z',b:it's fine,c:\"two\nlines\"}", {"a": "x, y:z", "b": "it's fine", "c": "two\nlines"}),
        ("{day:2024-01-02,zip:01234,n:-1.5e3,m:0}", {"day": "2024-01-02", "zip": "01234", "n": -1500.0, "m": 0}),
    ],
)
def test_gemma_may_write_texts_as_others_do(written: str, arguments: dict[str, Any]) -> None:
    text = f"<|tool_call>call:f{written}<tool_call|>"
    assert found("gemma4", Asked(tools={"f": {}}), [text]) == ("", "", [("f", arguments)])


LONG = json.dumps({"a": 'print("{}")\n' * 500})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ministral", f"[TOOL_CALLS]f[ARGS]{LONG}"),
        ("functionary-3.2", f"f\n{LONG}"),
        ("glm4", f"f\n{LONG}"),
        ("laguna", f'{{"name": "f", "arguments": {LONG}}}'),
        ("mistral", f'[TOOL_CALLS] [{{"name": "f", "arguments": {LONG}}}]'),
        ("llama3", f'{{"name": "f", "parameters": {LONG}}}'),
    ],
)
def test_what_was_looked_at_of_a_long_call_is_not_looked_at_again(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, end = [0], ObjectScanner.end

    def counted(self: ObjectScanner, piece: str) -> int | None:
        looked[0] += len(piece)
        return end(self, piece)

    monkeypatch.setattr(ObjectScanner, "end", counted)
    said, _, calls = found(name, Asked(tools={"f": {}}, think=False), text)
    assert (said, calls) == ("", [("f", json.loads(LONG))])
    assert looked[0] < 3 * len(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (name, "<tool_call>f" + "<arg_key>k</arg_key><arg_value>v</arg_value>" * 24 + "<arg_key>k")
        for name in ("glm-4.7", "glm-ocr", "laguna", "poolside-v1")
    ]
    + [
        ("lfm2", f"<|tool_call_start|>[f(a=1,{' ' * 1500}x)]<|tool_call_end|>"),
        ("lfm2", f"<|tool_call_start|>[{' ' * 20_000}x]<|tool_call_end|>"),
    ],
)
def test_a_call_that_is_cut_off_is_known_to_be_one_at_once(name: str, text: str) -> None:
    began = time.process_time()
    said, _, calls = found(name, Asked(tools={"f": {}}, think=False), [text])
    assert (said, calls) == (text, [])
    assert time.process_time() - began < 0.5


def test_parameters_that_never_end_are_none_at_once() -> None:
    parameters = f'{" " * 300}<atem:parameter name="k">v' * 40
    text = f'<atem:function_calls>\n<atem:invoke name="f">\n{parameters}</atem:invoke>\n</atem:function_calls>'
    began = time.process_time()
    assert found("glimmer", Asked(tools={"f": {}}), [f" to=f<|message|>{text}<|eot|>"]) == ("", "", [("f", {})])
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "arguments", ['"parameters": {"a": 1}', '"arguments": "{\\"a\\": 1}"', '"arguments": {"a": 1}']
)
def test_no_call_in_json_loses_its_arguments(arguments: str) -> None:
    text = f'<tool_call>\n{{"name": "f", {arguments}}}\n</tool_call>'
    assert found("qwen3", Asked(tools={"f": {}}), [text]) == ("", "", [("f", {"a": 1})])
