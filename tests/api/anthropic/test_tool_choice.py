"""``tool_choice`` holds whatever the question is."""

from typing import Any

import pytest
from tests.api.anthropic.asking import ASKS_WEATHER, SKY, WEATHER, ask, ask_stream, said
from tests.server import Server

CLOCK = {"name": "get_time", "description": "Tell the time", "input_schema": {"type": "object", "properties": {}}}
both = pytest.mark.parametrize("asking", [ask, ask_stream])


def calls(answer: dict[str, Any]) -> list[str]:
    return [block["name"] for block in answer["content"] if block["type"] == "tool_use"]


@both
@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 64}])
def test_call_is_forced(server: Server, asking: Any, thinking: dict[str, Any]) -> None:
    body = said(SKY, tools=[WEATHER, CLOCK], max_tokens=200, thinking=thinking)
    any_tool = asking(server, body | {"tool_choice": {"type": "any"}})
    assert calls(any_tool)
    assert any_tool["stop_reason"] == "tool_use"
    named = asking(server, body | {"tool_choice": {"type": "tool", "name": "get_time"}})
    assert set(calls(named)) == {"get_time"}
    assert named["stop_reason"] == "tool_use"
    one = {"type": "any", "disable_parallel_tool_use": True}
    assert len(calls(asking(server, body | {"tool_choice": one}))) == 1


@both
def test_call_is_forbidden(server: Server, asking: Any) -> None:
    body = said(ASKS_WEATHER, tools=[WEATHER], tool_choice={"type": "none"})
    answer = asking(server, body)
    assert not calls(answer)
    assert answer["stop_reason"] in ("end_turn", "max_tokens")
