"""What templates inside GGUF files are given beside the conversation."""

from typing import Any

import pytest

from puna.inference.prompt.jinja_values import thinking_values, with_ids
from puna.inference.requests import Think


@pytest.mark.parametrize(
    ("template", "think", "expected"),
    [
        ("", None, {}),
        ("", True, {"enable_thinking": True, "thinking": True}),
        ("", "low", {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"}),
        ("in ['high', 'no_think']", False, {"reasoning_effort": "no_think"}),
        ("in ['high', 'no_think']", True, {"reasoning_effort": "high"}),
        ("thinking_effort", "medium", {"thinking_effort": "high"}),
        ("thinking_effort in ['low', 'medium']", "medium", {"thinking_effort": "medium"}),
        ('thinking_mode == "disabled"', False, {"thinking_mode": "disabled"}),
        ("thinking_budget == 0", False, {"thinking_budget": 0}),
        ("reasoning is not undefined", False, {"reasoning": False}),
        ("reasoning is not defined", True, {"reasoning": True}),
    ],
)
def test_each_template_is_told_in_its_own_words(template: str, think: Think, expected: dict[str, Any]) -> None:
    values = thinking_values(template, think)
    assert {name: values.get(name) for name in expected} == expected
    assert bool(values) == (think is not None)


def call(name: str, call_id: str = "") -> dict[str, Any]:
    return {"type": "function", "id": call_id, "function": {"name": name, "arguments": "{}"}}


def test_results_without_an_id_get_that_of_their_function() -> None:
    turns = [
        {"role": "assistant", "content": "", "tool_calls": [call("f"), call("g"), call("f")]},
        {"role": "tool", "content": "1", "name": "g"},
        {"role": "tool", "content": "2", "name": "f"},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "", "tool_calls": [call("f", "own")]},
        {"role": "tool", "content": "4"},
        {"role": "tool", "content": "5", "name": "h"},
    ]
    made = with_ids(turns, "")
    ids = [entry["id"] for entry in made[0]["tool_calls"]]
    assert len(set(ids)) == 3
    assert [message["tool_call_id"] for message in made[1:4]] == [ids[1], ids[0], ids[2]]
    assert made[4]["tool_calls"][0]["id"] == made[5]["tool_call_id"] == "own"
    assert "tool_call_id" not in made[6], "a result of nothing"
    assert "tool_call_id" not in turns[1], "what was given is not changed"
