"""Cohere's Command A and North."""

from collections.abc import Iterator, Mapping
from typing import Any

from puna.inference.families.dialogue import Dialogue, Turn, compact, ends_run, spaced, split_system, starts_run, thinks
from puna.inference.families.parsing import Asked, StateParser
from puna.inference.format.arguments import Writing
from puna.inference.format.calls import ARGUMENTS, GAP, NAME, NUMBER, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.calls import ObjectScanner, arguments_of, written_object
from puna.inference.output.events import ThinkingText

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


_RESPONSE, _RESPONSE_END = "<|START_RESPONSE|>", "<|END_RESPONSE|>"
_ACTION, _ACTION_END = "<|START_ACTION|>", "<|END_ACTION|>"
_BLOCKS = (_TEXT, _RESPONSE, _ACTION, _THINKING_END)
MARKS = (_THINKING, _THINKING_END, _TEXT, _TEXT_END, _ACTION, _ACTION_END, _RESPONSE, _RESPONSE_END)
CALLS = CallShape(
    f'{{{GAP}"tool_call_id":{GAP}"{NUMBER}",{GAP}"tool_name":{GAP}"{NAME}",{GAP}"parameters":{GAP}{ARGUMENTS}{GAP}}}',
    Writing(Notation(never=(_ACTION_END,))),
    begin=f"{_ACTION}{GAP}[{GAP}",
    between=f",{GAP}",
    end=f"{GAP}]{GAP}{_ACTION_END}",
    quoted=True,
)


class _Parser(StateParser):
    """Blocks of text and of calls, and thoughts before them."""

    def __init__(self, asked: Asked) -> None:
        begins = self._content if asked.prefill else self._thoughts if asked.thinks(True) else self._first
        super().__init__(begins)

    def _thoughts(self) -> bool:
        return bool(self._up_to([_THINKING_END], ThinkingText)) and self._go(self._between)

    def _first(self) -> bool:
        """Leave out thoughts that nobody asked for: what stands before the first mark, if one comes."""
        begins = [at for mark in _BLOCKS if (at := self._text.find(mark)) >= 0]
        if not begins and not self._ended:
            return False
        self._text = self._text[min(begins, default=0) :]
        return self._go(self._between)

    def _between(self) -> bool:
        self._text = self._text.lstrip()
        # The tag that ends thoughts may come again where none were asked for.
        for mark, following in (
            (_TEXT, self._content),
            (_RESPONSE, self._content),
            (_ACTION, self._calls),
            (_END, self._between),
            (_THINKING_END, self._between),
        ):
            if self._text.startswith(mark):
                self._text = self._text[len(mark) :]
                return self._go(following)
            if mark.startswith(self._text) and not self._ended:
                return False
        return bool(self._text) and self._go(self._content)

    def _content(self) -> bool:
        return bool(self._up_to([_TEXT_END, _RESPONSE_END, _END], trim=False)) and self._go(self._between)

    def _calls(self) -> bool:
        raw, end, rest = self._text.partition(_ACTION_END)
        if not end and not self._ended:
            return False
        self._text = rest
        found = False
        for text in _objects(raw):
            call = written_object(text) or {}
            name, arguments = call.get("tool_name"), arguments_of(call)
            if isinstance(name, str) and arguments is not None:
                self._call(name, arguments)
                found = True
        if not found and raw.strip(" \n\t[]"):
            self._keep(_ACTION + raw + end)
        return self._go(self._between)


def _objects(text: str) -> Iterator[str]:
    """Yield the JSON objects in a text, whatever stands between them."""
    while (start := text.find("{")) >= 0:
        end = ObjectScanner().end(text[start:])
        if end is None:
            return
        yield text[start : start + end]
        text = text[start + end :]


def parser(asked: Asked) -> StateParser:
    """Return a parser of its answers."""
    return _Parser(asked)
