"""``tool_choice`` as it is asked for, and calls that were not chosen."""

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.inference.output.chosen import ChosenCalls
from puna.inference.output.events import ContentText, ToolCallParsed
from puna.inference.output.tools import ToolCallParser
from puna.inference.requests import ToolChoice
from puna.inference.tool_choice import read_tool_choice

TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]


@pytest.mark.parametrize(
    ("value", "parallel", "choice"),
    [
        (None, None, ToolChoice()),
        ("auto", True, ToolChoice()),
        ("none", None, ToolChoice("none")),
        ("required", False, ToolChoice("required", (), parallel=False)),
        ("any", None, ToolChoice("required")),
        ({"type": "function", "function": {"name": "g"}}, None, ToolChoice("required", ("g",))),
        ({"type": "function", "name": "g"}, False, ToolChoice("required", ("g",), parallel=False)),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOLS[0], TOOLS[0]]}},
            None,
            ToolChoice("auto", ("f",)),
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]},
            None,
            ToolChoice("required", ("g",)),
        ),
    ],
)
def test_choices_are_read(value: Any, parallel: bool | None, choice: ToolChoice) -> None:
    assert read_tool_choice(value, TOOLS, parallel=parallel) == choice


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "invalid tool_choice: ''"),
        ({}, "invalid tool_choice"),
        ({"type": "function", "function": {"name": ""}}, "invalid tool_choice"),
        ({"type": "function", "function": "f"}, "invalid tool_choice"),
        ({"type": "custom", "custom": {"name": "f"}}, "invalid tool_choice"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "often", "tools": [TOOLS[0]]}}, "invalid tool_choice"),
        ({"type": "allowed_tools", "allowed_tools": []}, "invalid tool_choice"),
        ({"type": "function", "function": {"name": "h"}}, 'there is no tool called "h"'),
    ],
)
def test_what_is_no_choice_is_told(value: Any, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        read_tool_choice(value, TOOLS)


def test_nothing_can_be_forced_without_tools() -> None:
    assert read_tool_choice("none", []) == ToolChoice("none")
    with pytest.raises(BadRequestError, match="there are no tools to call"):
        read_tool_choice("required", [])


def test_calls_that_were_not_chosen() -> None:
    said = '{"name":"f","arguments":{}} {"name":"g","arguments":{"a":1}} {"name":"f","arguments":{}}'
    call, other = ToolCallParsed("f", "{}"), ContentText('{"name":"g","arguments":{"a":1}}')
    for most, expected in ((None, [call, other, call]), (1, [call, other]), (0, [other])):
        chosen = ChosenCalls([ToolCallParser("{", ["f", "g"])], {"f": {}}, most)
        assert [*chosen.feed(said), *chosen.finish()] == expected


def test_items_that_must_differ_are_there_once() -> None:
    parameters = {"properties": {"a": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}}
    chosen = ChosenCalls([ToolCallParser("{", ["f"])], {"f": parameters}, None)
    events = chosen.feed('{"name":"f","arguments":{"a":["x","y","x"]}}')
    assert events == [ToolCallParsed("f", '{"a":["x","y"]}')]
