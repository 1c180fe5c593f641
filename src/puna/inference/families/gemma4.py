"""Gemma 4."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from puna.inference.families.dialogue import Dialogue, Turn, contents, split_system, thinks
from puna.inference.families.gemma_text import call_text, read_arguments, takes, value_text
from puna.inference.families.parsing import Asked, StateParser
from puna.inference.format.arguments import Writing
from puna.inference.format.calls import ARGUMENTS, NAME, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.events import ThinkingText

BOS = "<bos>"
_QUOTE = '<|"|>'
_TURN, _TURN_END = "<|turn>", "<turn|>\n"
_THOUGHT, _THOUGHT_END = "<|channel>thought\n", "<channel|>"
_THOUGHTS = re.compile(r"<\|channel>.*?(?:<channel\|>|\Z)", re.DOTALL)
_STANDARD = ("description", "type", "properties", "required", "nullable")


def _render(dialogue: Dialogue, *, says_it_does_not_think: bool) -> str:
    """Return the prompt; a function's results go on with the turn of the model that called it."""
    first, turns = split_system(dialogue.turns, "system", "developer")
    texts = contents([_trimmed(turn) for turn in turns])
    think = thinks(dialogue.think)
    parts = [BOS]
    if first or dialogue.tools or think:
        parts.append(f"{_TURN}system\n" + ("<|think|>\n" if think else ""))
        parts.append(first.content.strip() if first else "")
        parts += [_declaration(function) for function in dialogue.functions]
        parts.append(_TURN_END)
    last_user = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    before, ends_with = "", ""
    for index, turn in enumerate(turns):
        if turn.role == "tool":
            continue
        ends_with = ""
        model = turn.role == "assistant"
        if not (model and before == "assistant"):
            parts.append(f"{_TURN}{'model' if model else turn.role}\n")
        if model and turn.thinking and index > last_user:
            parts.append(f"{_THOUGHT}{turn.thinking}\n{_THOUGHT_END}")
        parts += [f"<|tool_call>{call_text(call.name, call.arguments, _QUOTE)}<tool_call|>" for call in turn.calls]
        results = _results(turns, index) if turn.calls else []
        for place in results:
            response = value_text(texts[place], _QUOTE)
            parts.append(f"<|tool_response>response:{_called(turns[place], turn)}{{value:{response}}}<tool_response|>")
        if turn.calls:
            ends_with = "result" if results else "call"
        text = _said(turn, texts[index]) if model else texts[index]
        parts.append(text)
        following = next((other.role for other in turns[index + 1 :] if other.role != "tool"), "")
        goes_on = model and following == "assistant" and (not turn.calls or bool(results))
        if ends_with == "call":
            parts.append("<|tool_response>")
        elif not goes_on and not (results and not text.strip() and not following):
            parts.append(_TURN_END)
        before = turn.role
    if not ends_with:
        parts.append(f"{_TURN}model\n")
        parts.append(f"{_THOUGHT}{_THOUGHT_END}" if says_it_does_not_think and not think else "")
    elif ends_with == "result" and think:
        parts.append(_THOUGHT)
    return "".join(parts)


def _trimmed(turn: Turn) -> Turn:
    """Return a turn without the space around what somebody says in it; pictures go before the rest."""
    return turn if turn.role in ("assistant", "tool") else replace(turn, content=turn.content.strip())


def _said(turn: Turn, text: str) -> str:
    """Return what an answer of the past said, without thoughts that stand in its text."""
    return _THOUGHTS.sub("", text).strip() if turn.content or turn.images else ""


def _results(turns: Sequence[Turn], index: int) -> list[int]:
    """Return the places of the results that follow a turn."""
    places = []
    for place in range(index + 1, len(turns)):
        if turns[place].role != "tool":
            break
        places.append(place)
    return places


def _called(result: Turn, turn: Turn) -> str:
    by_id = (call.name for call in turn.calls if result.tool_call_id and call.id == result.tool_call_id)
    return next(by_id, result.tool_name or "unknown")


def _declaration(function: Mapping[str, Any]) -> str:
    parameters = function["parameters"]
    inside = []
    if parameters.get("properties"):
        properties = {name: _top(schema) for name, schema in parameters["properties"].items()}
        inside.append(f"properties:{{{_properties(properties)}}}")
    if parameters.get("required"):
        inside.append(f"required:{value_text(parameters['required'], _QUOTE)}")
    if parameters.get("type"):
        inside.append(f"type:{_QUOTE}{parameters['type'].upper()}{_QUOTE}")
    described = f"description:{_QUOTE}{function.get('description', '')}{_QUOTE}{takes(parameters, inside)}"
    return f"<|tool>declaration:{function['name']}{{{described}}}<tool|>"


def _top(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a property whose several types are one text, as the model was trained to read them."""
    types = schema.get("type") or _any_of(schema)
    changed = {key: value for key, value in schema.items() if key not in ("type", "anyOf")}
    if isinstance(types, list) and len(types) > 1:
        changed["type"] = "[{}]".format(", ".join(f"'{name.upper()}'" for name in types))
    elif types:
        changed["type"] = types if isinstance(types, str) else types[0]
    if isinstance(schema.get("properties"), Mapping):
        changed["properties"] = {name: _top(inner) for name, inner in schema["properties"].items()}
    return changed


def _any_of(schema: Mapping[str, Any]) -> list[str]:
    """Return the types of an ``anyOf`` whose branches say nothing else, [] for any other."""
    found: list[str] = []
    for branch in schema.get("anyOf") or ():
        if not isinstance(branch, Mapping) or set(branch) != {"type"}:
            return []
        types = branch["type"]
        found += [types] if isinstance(types, str) else types
    return list(dict.fromkeys(found))


def _types(value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [name.upper() for name in names if isinstance(name, str)]


def _type(names: list[str]) -> str:
    quoted = [f"{_QUOTE}{name}{_QUOTE}" for name in names]
    return "type:" + (quoted[0] if len(quoted) == 1 else f"[{','.join(quoted)}]")


def _properties(properties: Mapping[str, Any]) -> str:
    return ",".join(
        f"{name}:{{{_schema(schema)}}}"
        for name, schema in sorted(properties.items())
        if name not in _STANDARD and isinstance(schema, Mapping)
    )


def _schema(schema: Mapping[str, Any]) -> str:
    types = _types(schema.get("type"))
    kind = types[0] if types else ""
    parts = []
    if schema.get("description"):
        parts.append(f"description:{_QUOTE}{schema['description']}{_QUOTE}")
    if kind == "STRING" and schema.get("enum"):
        parts.append("enum:[{}]".format(",".join(f"{_QUOTE}{_plain(item)}{_QUOTE}" for item in schema["enum"])))
    if kind == "ARRAY" and isinstance(schema.get("items"), Mapping) and schema["items"]:
        parts.append(f"items:{{{_items(schema['items'])}}}")
    if schema.get("nullable") is True:
        parts.append("nullable:true")
    if kind == "OBJECT":
        inner = schema.get("properties")
        parts.append(f"properties:{{{_properties(inner if isinstance(inner, Mapping) else schema)}}}")
        if schema.get("required"):
            parts.append(f"required:{value_text(schema['required'], _QUOTE)}")
    if types:
        parts.append(_type(types))
    return ",".join(parts)


def _items(items: Mapping[str, Any]) -> str:
    parts = []
    for key, value in sorted(items.items()):
        if key == "properties":
            parts.append(f"properties:{{{_properties(value) if isinstance(value, Mapping) else ''}}}")
        elif key == "type":
            parts += [_type(types)] if (types := _types(value)) else []
        elif value is not None:
            parts.append(f"{key}:{value_text(value, _QUOTE, quoted_keys=True)}")
    return ",".join(parts)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else value_text(value, "")


small = partial(_render, says_it_does_not_think=False)
large = partial(_render, says_it_does_not_think=True)


_CHANNEL, _NAME = "<|channel>", "thought\n"
_CALL, _CALL_END, _RESPONSE = "<|tool_call>", "<tool_call|>", "<|tool_response>"
MARKS = (_CHANNEL, _THOUGHT_END, _CALL, _CALL_END, _RESPONSE, _QUOTE)
CALLS = CallShape(
    f"{_CALL}call:{NAME}{ARGUMENTS}{_CALL_END}", Writing(Notation(_QUOTE, "", bare=True, never=(_CALL_END,)))
)


class _Parser(StateParser):
    """Text with thoughts and calls in it; thoughts that nobody asked for are left out."""

    keeps_half_marks = True

    def __init__(self, *, thinking: bool, begins_thinking: bool) -> None:
        super().__init__(self._thoughts if begins_thinking else self._content)
        self._thinking = thinking

    def _content(self) -> bool:
        mark = self._up_to([_CHANNEL, _CALL], trim_end=False)
        return bool(mark) and self._go(self._channel if mark == _CHANNEL else self._inside)

    def _channel(self) -> bool:
        if _NAME.startswith(self._text) and self._text != _NAME and not self._ended:
            return False
        self._text = self._text.removeprefix(_NAME)
        return self._go(self._thoughts)

    def _thoughts(self) -> bool:
        mark = self._up_to([_THOUGHT_END], ThinkingText, trim_end=False)
        if not self._thinking:
            self._events = [event for event in self._events if not isinstance(event, ThinkingText)]
        return bool(mark) and self._then_space(self._content)

    def _inside(self) -> bool:
        raw, end, rest = self._text.partition(_CALL_END)
        if not end and not self._ended:
            return False
        self._text = rest
        call = _read(raw) if end or _whole(raw) else None
        if call:
            self._call(*call)
        elif raw.strip():
            self._keep(_CALL + raw + end)
        return self._then_space(self._after_call)

    def _after_call(self) -> bool:
        """Leave out the marks that stand between calls."""
        for mark in (_CALL_END, _RESPONSE):
            if self._text.startswith(mark):
                self._text = self._text[len(mark) :]
                return self._then_space(self._after_call)
            if mark.startswith(self._text) and not self._ended:
                return False
        return self._go(self._content)


def _whole(raw: str) -> bool:
    """Return whether a call without the mark behind it has all else."""
    bare = re.sub(f"{re.escape(_QUOTE)}.*?{re.escape(_QUOTE)}", "", raw, flags=re.DOTALL)
    return _QUOTE not in bare and 0 < bare.count("{") == bare.count("}")


def _read(raw: str) -> tuple[str, dict[str, Any]] | None:
    name, brace, arguments = raw.removeprefix("call:").partition("{")
    if not brace or not raw.startswith("call:"):
        return None
    if arguments.count(_QUOTE) % 2:  # models forget the end of the last text, or of the object
        end = len(arguments.rstrip().rstrip("}"))
        arguments = arguments[:end] + _QUOTE + arguments[end:]
    if not arguments.rstrip().endswith("}"):
        arguments += "}"
    value = read_arguments(brace + arguments, _QUOTE)
    return None if value is None else (name.strip(), value)


def parser(asked: Asked) -> StateParser:
    """Return a parser of its answers."""
    return _Parser(thinking=asked.thinks(), begins_thinking=asked.thinks() and asked.after_result)


def no_thinking_parser(_: Asked) -> StateParser:
    """Return a parser that tells of no thoughts."""
    return _Parser(thinking=False, begins_thinking=False)
