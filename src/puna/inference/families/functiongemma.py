"""FunctionGemma."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from puna.inference.families.dialogue import Dialogue, Turn, split_system
from puna.inference.families.gemma_text import call_text, read_arguments, takes, value_text
from puna.inference.families.parsing import Asked, TagParser
from puna.inference.format.arguments import Writing
from puna.inference.format.calls import ARGUMENTS, NAME, CallShape
from puna.inference.format.notation import Notation

BOS = "<bos>"
_QUOTE = "<escape>"
_HOW_TO = "You can do function calling with the following functions:"
_START, _END = "<start_of_turn>", "<end_of_turn>\n"
_RESPONSE, _RESPONSE_END = "<start_function_response>", "<end_function_response>"


def render(dialogue: Dialogue) -> str:
    """Return the prompt; a function's results go on with the turn of the model that called it."""
    first, turns = split_system(dialogue.turns, "system", "developer")
    system = first.content if first else ""
    parts = [BOS]
    if system or dialogue.tools:
        parts.append(f"{_START}developer\n{system.strip()}")
        if dialogue.tools:
            parts.append("\n" if system else "")
            parts.append("" if system.strip() == _HOW_TO else _HOW_TO)
            parts += [_declaration(function) for function in dialogue.functions]
        parts.append(_END)
    before = ""  # what the model's open turn ends with: a call or a result
    for index, turn in enumerate(turns):
        if turn.role == "tool":
            parts.append("" if before == "call" else _RESPONSE)
            parts.append(f"response:{_called(turns, index)}{{{value_text(turn.content, _QUOTE)}}}{_RESPONSE_END}")
            before = "result"
            continue
        role = "model" if turn.role == "assistant" else turn.role
        speaks = role in ("model", "user")
        goes_on = before == "result" and speaks
        parts.append(("" if goes_on else f"{_START}{role}\n") + turn.content.strip())
        before = "" if speaks else before
        calls = turn.calls if role == "model" else ()
        for call in calls:
            parts.append(f"<start_function_call>{call_text(call.name, call.arguments, _QUOTE)}<end_function_call>")
        if calls and index + 1 < len(turns) and turns[index + 1].role == "tool":
            parts.append(_RESPONSE)
            before = "call"
        else:
            parts.append(_END)
    if before != "result":
        parts.append(f"{_START}model\n")
    return "".join(parts)


def _called(turns: Sequence[Turn], index: int) -> str:
    """Return the name of the function whose result a turn is: results come in the order of the calls."""
    order = 0
    for turn in reversed(turns[:index]):
        if turn.role == "assistant" and turn.calls:
            return turn.calls[order].name if order < len(turn.calls) else ""
        order += turn.role == "tool"
    return ""


def _declaration(function: Mapping[str, Any]) -> str:
    parameters = function["parameters"]
    inside = []
    if parameters.get("properties"):
        properties = ",".join(_property(name, schema) for name, schema in sorted(parameters["properties"].items()))
        inside.append(f"properties:{{{properties}}}")
    if parameters.get("required"):
        inside.append(f"required:{value_text(parameters['required'], _QUOTE)}")
    if parameters.get("type"):
        inside.append(f"type:{_QUOTE}{parameters['type'].upper()}{_QUOTE}")
    described = f"description:{_QUOTE}{function.get('description', '')}{_QUOTE}{takes(parameters, inside)}"
    return f"<start_function_declaration>declaration:{function['name']}{{{described}}}<end_function_declaration>"


def _property(name: str, schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    typed = f",type:{_QUOTE}{kind.upper()}{_QUOTE}" if kind else ""
    return f"{name}:{{description:{_QUOTE}{schema.get('description', '')}{_QUOTE}{typed}}}"


_BEGIN, _CLOSE = "<start_function_call>", "<end_function_call>"
CALLS = CallShape(
    f"{_BEGIN}call:{NAME}{ARGUMENTS}{_CLOSE}",
    Writing(Notation(_QUOTE, "", bare=True, never=(_CLOSE,))),
    between="",
    around="",
)
_CALL = re.compile(r"call:([^{]+)(\{.*\})", re.DOTALL)


def _read(raw: str) -> list[tuple[str, dict[str, Any]]] | None:
    match = _CALL.search(raw)
    arguments = read_arguments(match[2], _QUOTE) if match else None
    return None if match is None or arguments is None else [(match[1], arguments)]


def parser(_: Asked) -> TagParser:
    """Return a parser of its answers."""
    return TagParser(
        thinking=False,
        call="<start_function_call>",
        call_end="<end_function_call>",
        read=_read,
        trim=False,
        skip_after_call=False,
    )
