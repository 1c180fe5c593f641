"""Nemotron 3 and 3.5 Nano."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from puna.inference.families.dialogue import (
    Dialogue,
    Turn,
    contents,
    ends_run,
    printed,
    spaced_plain,
    split_system,
    starts_run,
    thinks,
)
from puna.inference.families.parsing import Asked, TagParser
from puna.inference.families.qwen_text import END, HOW_TO_CALL, START, tagged_parser
from puna.inference.prompt.ollama_values import TemplateToolCall, to_go

_OPEN, _CLOSE = "<think>", "</think>"
_NO_THOUGHT = _OPEN + _CLOSE
_KEPT = "<_end_think>"
_EFFICIENT = "\n\n{reasoning effort: efficient}"
_PYTHON = {None: "None", True: "True", False: "False"}


def _render(dialogue: Dialogue, *, v35: bool) -> str:
    """Return the prompt; ``v35`` is that of Nemotron 3.5, whose texts do not switch thinking on and off."""
    first, turns = split_system(dialogue.turns)
    texts = contents(turns)
    system = "" if first is None else first.content if v35 else _without_switches(first.content)
    think = thinks(dialogue.think, True) if v35 else _asked(dialogue)
    last_user = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    tools = _tools(dialogue.functions) if dialogue.tools else ""
    parts = ["{}system\n{}{}\n".format(START, "\n\n".join(part for part in (system, tools) if part), END)]
    for index, (turn, text) in enumerate(zip(turns, texts, strict=True)):
        if turn.role == "assistant":
            parts.append(f"{START}assistant\n{_answer(turn, text, past=index < last_user, v35=v35)}")
            parts += [_call(call) for call in turn.calls]
            parts.append(f"{END}\n")
        elif turn.role in ("user", "system"):
            if not v35:
                text = _without_switches(text).strip()
            elif turn.role == "user" and index == last_user and dialogue.think == "medium":
                text += _EFFICIENT
            parts.append(f"{START}{turn.role}\n{text}{END}\n")
        elif turn.role == "tool":
            parts.append(f"{START}user\n" if index and starts_run(turns, index) else "")
            parts.append(f"<tool_response>\n{text}\n</tool_response>\n")
            parts.append(f"{END}\n" if ends_run(turns, index) else "")
        else:
            parts.append(f"{START}{turn.role}\n{turn.content}{END}\n")
    return "".join([*parts, f"{START}assistant\n", f"{_OPEN}\n" if think else _NO_THOUGHT])


def _asked(dialogue: Dialogue) -> bool:
    """Return whether to think: the last "/think" or "/no_think" of the texts decides."""
    think = thinks(dialogue.think, True)
    for turn in dialogue.turns:
        if turn.role in ("user", "system"):
            if "/think" in turn.content.replace(_CLOSE, ""):
                think = True
            elif "/no_think" in turn.content:
                think = False
    return think


def _without_switches(text: str) -> str:
    text = text.replace(_CLOSE, _KEPT)
    return text.replace("/think", "").replace("/no_think", "").replace(_KEPT, _CLOSE)


def _answer(turn: Turn, text: str, *, past: bool, v35: bool) -> str:
    if turn.thinking:
        text = f"{_OPEN}\n{turn.thinking}{_CLOSE}{text}" if v35 else f"{_OPEN}\n{turn.thinking}\n{_CLOSE}\n{text}"
    elif _OPEN not in text and _CLOSE not in text:
        text = _NO_THOUGHT + text
    if not turn.calls:
        if past and _OPEN in text and _CLOSE in text:
            text = _NO_THOUGHT + text.rpartition(_CLOSE)[2]
        return text.strip()
    if not text.strip():
        return _NO_THOUGHT
    if past:
        said = text.rpartition(_CLOSE)[2] if _CLOSE in text else text.partition(_OPEN)[0]
        text = _NO_THOUGHT + said.strip()
    return f"{text.strip()}\n"


def _call(call: TemplateToolCall) -> str:
    arguments = (f"<parameter={name}>\n{_value(value)}\n</parameter>\n" for name, value in call.arguments.items())
    return f"<tool_call>\n<function={call.name}>\n{''.join(arguments)}</function>\n</tool_call>\n"


def _value(value: Any) -> str:
    """Return a value as Jinja prints it: Python's words for scalars, JSON for all else."""
    if isinstance(value, Mapping | list | tuple):
        return spaced_plain(to_go(value))
    if value is None or isinstance(value, bool):
        return _PYTHON[value]
    return printed(value)


def _tools(functions: Sequence[Mapping[str, Any]]) -> str:
    parts = ["# Tools\n\nYou have access to the following functions:\n\n<tools>"]
    for function in functions:
        parameters = function["parameters"]
        parts.append(f"\n<function>\n<name>{function['name']}</name>")
        if function.get("description"):
            parts.append(f"\n<description>{function['description'].strip()}</description>")
        parts.append("\n<parameters>")
        for name, schema in (parameters.get("properties") or {}).items():
            parts.append(f"\n<parameter>\n<name>{name}</name>{_schema(schema)}\n</parameter>")
        for key in ("$defs", "items"):
            if parameters.get(key) is not None:
                parts.append(f"\n<{key}>{_value(parameters[key])}</{key}>")
        if parameters.get("required"):
            parts.append(f"\n<required>{spaced_plain(parameters['required'])}</required>")
        parts.append("\n</parameters>\n</function>")
    return "".join([*parts, f"\n</tools>\n\n{HOW_TO_CALL}"])


def _schema(schema: Mapping[str, Any]) -> str:
    parts = []
    kind = schema.get("type")
    if kind:
        names = kind if isinstance(kind, str) else "[{}]".format(", ".join(f"'{name}'" for name in kind))
        parts.append(f"\n<type>{names}</type>")
    if schema.get("description"):
        parts.append(f"\n<description>{schema['description'].strip()}</description>")
    for key in ("enum", "anyOf", "items", "properties", "required"):
        if schema.get(key) or (key in ("items", "properties") and schema.get(key) is not None):
            parts.append(f"\n<{key}>{spaced_plain(schema[key])}</{key}>")
    return "".join(parts)


nano3 = partial(_render, v35=False)
nano35 = partial(_render, v35=True)


def parser(asked: Asked) -> TagParser:
    """Return a parser of its answers."""
    return tagged_parser(asked, thinking=asked.thinks(True) and not asked.prefill)
