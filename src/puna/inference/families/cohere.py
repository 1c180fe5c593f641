"""Cohere's Command A and North."""

from collections.abc import Mapping
from typing import Any

from puna.inference.families.dialogue import Dialogue, Turn, compact, ends_run, spaced, split_system, starts_run, thinks

BOS = "<BOS_TOKEN>"
_START, _END = "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"
_SYSTEM, _USER, _CHATBOT = "<|SYSTEM_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>"
_TEXT, _TEXT_END = "<|START_TEXT|>", "<|END_TEXT|>"
_THINKING, _THINKING_END = "<|START_THINKING|>", "<|END_THINKING|>"
_BEFORE_CALLS = "\n            \n                "
_ROLES = {"system": _SYSTEM, "user": _USER}


class _Numbers:
    """Numbers the calls of a conversation, and knows those of its results."""

    def __init__(self) -> None:
        self._count = 0
        self._known: dict[str, str] = {}

    def of_call(self, call_id: str) -> str:
        number = str(self._count)
        self._count += 1
        if call_id:
            self._known.setdefault(call_id, number)
        return number

    def of_result(self, turn: Turn) -> str:
        return self._known.get(turn.tool_call_id, turn.tool_call_id)


def render(dialogue: Dialogue) -> str:
    """Return the prompt; the list of tools is there even if it is empty."""
    first, turns = split_system(dialogue.turns)
    system = f"{first.content}\n\n\n\n" if first and first.content else ""
    tools = ",\n\n".join(f"\n    {_tool(function)}" for function in dialogue.functions)
    listed = f"# Available Tools\n```json\n[\n{tools}\n\n\n]\n```"
    parts = [f"{_START}{_SYSTEM}{_TEXT}{system}{listed}{_TEXT_END}{_END}"]
    numbers, prefill = _Numbers(), False
    for index, turn in enumerate(turns):
        role = turn.role.lower()
        if role in _ROLES:
            parts.append(f"{_START}{_ROLES[role]}{_TEXT}{turn.content}{_TEXT_END}{_END}")
        elif role in ("assistant", "chatbot"):
            parts.append(f"{_START}{_CHATBOT}" + (_BEFORE_CALLS if turn.calls else ""))
            parts.append(f"{_THINKING}{turn.thinking}{_THINKING_END}" if turn.thinking else "")
            if turn.calls:
                calls = ",".join(
                    f'\n\n    {{"tool_call_id": "{numbers.of_call(call.id)}", "tool_name": "{call.name}", '
                    f'"parameters": {spaced(call.arguments)}}}'
                    for call in turn.calls
                )
                parts.append(f"<|START_ACTION|>[{calls}\n\n]<|END_ACTION|>{_END}")
            else:
                prefill = index == len(turns) - 1
                parts.append(f"{_TEXT}{turn.content}" + ("" if prefill else f"{_TEXT_END}{_END}"))
        elif role == "tool":
            parts.append(f"{_START}{_SYSTEM}<|START_TOOL_RESULT|>[" if starts_run(turns, index) else ",")
            parts.append(_result(numbers.of_result(turn), turn.content))
            parts.append(f"\n\n]<|END_TOOL_RESULT|>{_END}" if ends_run(turns, index) else "")
    if not prefill:
        parts.append(f"{_START}{_CHATBOT}{_THINKING}" + ("" if thinks(dialogue.think, True) else _THINKING_END))
    return "".join(parts)


def _tool(function: Mapping[str, Any]) -> str:
    name, description = compact(function["name"]), compact(function.get("description", ""))
    parameters = spaced(function["parameters"])
    return f'{{"name": {name}, "description": {description}, "parameters": {parameters}, "responses": null}}'


def _result(number: str, content: str) -> str:
    wrapped = spaced({"content": content})
    return (
        f'\n    {{\n        "tool_call_id": "{number}",\n        "results": {{\n\n            \n            '
        f'"0": {wrapped}\n\n        }},\n        "is_error": null\n    }}'
    )
