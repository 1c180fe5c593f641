"""The arguments of a call in JSON are read alike wherever a call is found."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.output.events import ContentText, OutputParser, ToolCallParsed
from puna.inference.output.tools import ToolCallParser

ASKED = Asked(tools={"f": {}}, think=False)
PARSED: dict[str, tuple[Callable[[], OutputParser], str]] = {
    "template": (lambda: ToolCallParser("<tool_call>", ["f"]), "<tool_call>\n%s\n</tool_call>"),
    "bare": (lambda: ToolCallParser("{", ["f"]), "%s"),
    "qwen3": (lambda: PARSERS["qwen3"].make(ASKED), "<tool_call>\n%s\n</tool_call>"),
    "laguna": (lambda: PARSERS["laguna"].make(ASKED), "<tool_call>%s</tool_call>"),
    "apriel": (lambda: PARSERS["apriel"].make(ASKED), "<tool_calls>[%s]</tool_calls>"),
}
ARGUMENTS: dict[str, Any] = {
    '"arguments": {"a": 1}': {"a": 1},
    '"parameters": {"a": 1}': {"a": 1},
    '"arguments": null, "parameters": {"a": 1}': {"a": 1},
    '"arguments": {}, "parameters": {"a": 1}': {},
    '"arguments": {"a": 1, "a": 2}': {"a": 2},
    r'"arguments": "{\"a\": 1}"': {"a": 1},
    r'"arguments": "\"{\\\"a\\\": 1}\""': {"a": 1},
    '"arguments": {"a": 36893488147419103233}': {"a": 36893488147419103233},
    '"arguments": {}': {},
    '"arguments": null': {},
    '"arguments": []': {},
    '"arguments": ""': {},
    '"arguments": "null"': {},
    '"unknown": 1': {},
    '"arguments": 0': None,
    '"arguments": false': None,
    '"arguments": [1]': None,
    '"arguments": "a text"': None,
    '"arguments": {"a": 1,}': None,
    '"arguments": {"a": NaN}': None,
}


def found(parser: OutputParser, text: str) -> list[ToolCallParsed | str]:
    events = [*parser.feed(text), *parser.finish()]
    said = "".join(event.text for event in events if isinstance(event, ContentText))
    return [*(event for event in events if isinstance(event, ToolCallParsed)), *([said] if said else [])]


@pytest.mark.parametrize("way", PARSED)
@pytest.mark.parametrize("written", ARGUMENTS)
def test_arguments(way: str, written: str) -> None:
    make, around = PARSED[way]
    text, wanted = around % f'{{"name": "f", {written}}}', ARGUMENTS[written]
    [only] = found(make(), text)
    if wanted is None:
        assert isinstance(only, str) and only.startswith(text.removesuffix("]</tool_calls>"))
    else:
        assert isinstance(only, ToolCallParsed)
        assert (only.name, json.loads(only.arguments_json)) == ("f", wanted)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("harmony", "<|channel|>commentary to=functions.f <|constrain|>json<|message|>%s"),
        (
            "deepseek3",
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>%s<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ),
        ("apertus", '<|tools_prefix|>[{"f": %s}]<|tools_suffix|>'),
        ("cohere", '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": %s}]<|END_ACTION|>'),
    ],
)
@pytest.mark.parametrize("none", ["", "null", "{}", "[]"])
def test_a_call_without_arguments(name: str, text: str, none: str) -> None:
    if name in ("apertus", "cohere"):
        none = none or '""'
    assert found(PARSERS[name].make(ASKED), text % none) == [ToolCallParsed("f", "{}")]


TWO = ['{"name": "f", "arguments": {"a": 1}}', '{"name": "f", "arguments": {"a": "]}, {"}}']


@pytest.mark.parametrize("way", ["template", "qwen3"])
@pytest.mark.parametrize("listed", ["{}\n{}", "{}{}", "{}, {}", "[{}, {}]", "[{}]\n[{}]"])
def test_several_calls_between_two_tags(way: str, listed: str) -> None:
    make, around = PARSED[way]
    text = around % listed.replace("{}", "%s") % tuple(TWO)
    assert found(make(), text) == [ToolCallParsed("f", '{"a":1}'), ToolCallParsed("f", '{"a":"]}, {"}')]


@pytest.mark.parametrize("more", ["and so on", '{"name": "f"', "{}", "[1]"])
def test_calls_beside_something_else_stay_as_text(more: str) -> None:
    make, around = PARSED["qwen3"]
    text = around % f"{TWO[0]}\n{more}"
    assert found(make(), text) == [text]


def test_half_a_character_in_a_name_is_none() -> None:
    make, around = PARSED["qwen3"]
    assert found(make(), around % r'{"name": "\ud83d", "arguments": {"\ud83d": 1}}') == [ToolCallParsed("?", '{"?":1}')]
