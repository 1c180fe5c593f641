"""Definitions of tools keep the order in which they came first."""

import json
from typing import Any

import pytest

from puna.api import tool_order as module
from puna.api.tool_order import ToolOrder

TOOL: dict[str, Any] = {"name": "f", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}
OTHER: dict[str, Any] = {"parameters": {"properties": {"a": {}, "b": {}}, "type": "object"}, "name": "f"}


def test_order_of_keys_is_the_first() -> None:
    order = ToolOrder()
    assert json.dumps(order.steady([TOOL])) == json.dumps([TOOL])
    assert json.dumps(order.steady([OTHER, TOOL])) == json.dumps([TOOL, TOOL])
    changed = OTHER | {"name": "g"}
    assert json.dumps(order.steady([changed])) == json.dumps([changed])


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    order = ToolOrder()
    order.steady([TOOL])
    monkeypatch.setattr(module, "_MOST_BYTES", 300)
    for number in range(20):
        order.steady([{"name": str(number)} | TOOL | {"n": number}])
    assert json.dumps(order.steady([OTHER])) == json.dumps([OTHER])
