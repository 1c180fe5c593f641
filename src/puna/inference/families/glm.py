"""GLM 4.7 and GLM-OCR."""

import re
from collections.abc import Callable
from typing import Any

from puna.inference.families.dialogue import Dialogue, argument_text, compact, contents, spaced, starts_run, thinks
from puna.inference.families.parsing import Asked, TagParser, typed_value
from puna.inference.families.qwen_text import one_line_break_less, side_by_side
from puna.inference.format.arguments import Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, GAP, NAME, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.events import overlap
from puna.inference.prompt.ollama_values import TemplateToolCall

_HEAD = "[gMASK]<sop>"
_NO_THINK = "/nothink"


def glm47(dialogue: Dialogue) -> str:
    """Return the prompt of GLM 4.7, which keeps the thoughts of all past answers."""
    parts = [_HEAD, _tools(dialogue)]
    for index, turn in enumerate(dialogue.turns):
        if turn.role == "user":
            parts.append(f"<|user|>{turn.content}")
        elif turn.role == "assistant":
            thought = f"<think>{turn.thinking}" if turn.thinking else ""
            parts.append(f"<|assistant|>{thought}</think>{turn.content}")
            parts += [_call(call) for call in turn.calls]
        elif turn.role == "tool":
            parts.append("<|observation|>" if starts_run(dialogue.turns, index) else "")
            parts.append(f"<tool_response>{turn.content}</tool_response>")
        elif turn.role == "system":
            parts.append(f"<|system|>{turn.content}")
    parts.append("<|assistant|>" + ("<think>" if thinks(dialogue.think, True) else "</think>"))
    return "".join(parts)


def glm_ocr(dialogue: Dialogue) -> str:
    """Return the prompt of GLM-OCR, which thinks or not as it likes unless it is told not to."""
    must_not_think = dialogue.think is not None and not thinks(dialogue.think)
    parts = [_HEAD, _tools(dialogue)]
    turns = dialogue.turns
    for index, (turn, text) in enumerate(zip(turns, contents(turns), strict=True)):
        if turn.role == "user":
            parts.append(f"<|user|>\n{text}")
            parts.append(_NO_THINK if must_not_think and not turn.content.endswith(_NO_THINK) else "")
        elif turn.role == "assistant":
            parts.append(f"<|assistant|>\n<think>{turn.thinking.strip()}</think>")
            parts.append(f"\n{turn.content.strip()}" if turn.content else "")
            parts += [f"\n{_call(call)}" for call in turn.calls]
            parts.append("\n")
        elif turn.role == "tool":
            parts.append("<|observation|>" if starts_run(turns, index) else "")
            parts.append(f"\n<tool_response>\n{text}\n</tool_response>\n")
        elif turn.role == "system":
            parts.append(f"<|system|>\n{turn.content}\n")
    parts.append("<|assistant|>\n" + ("<think></think>\n" if must_not_think else ""))
    return "".join(parts)


def _tools(dialogue: Dialogue) -> str:
    if not dialogue.tools:
        return ""
    tools = "".join(f"{spaced(tool)}\n" for tool in dialogue.documents)
    return (
        "<|system|>\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n"
        f"<tools>\n{tools}</tools>\n\n"
        "For each function call, output the function name and arguments within the following XML format:\n"
        "<tool_call>{function-name}<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}</arg_value>"
        "<arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>...</tool_call>"
    )


def _call(call: TemplateToolCall) -> str:
    return f"<tool_call>{call.name}{arguments_text(call)}</tool_call>"


def arguments_text(call: TemplateToolCall, write: Callable[[object], str] = compact) -> str:
    """Return the arguments of a call as pairs of tags."""
    return "".join(
        f"<arg_key>{name}</arg_key><arg_value>{argument_text(value, write)}</arg_value>"
        for name, value in call.arguments.items()
    )


_CALL = re.compile(r"\s*(.*?)\s*(?=<arg_key>|\Z)(.*)", re.DOTALL)
PAIR = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_OPEN_PAIR = re.compile(
    r"\s*<arg_key>(.*?)(?:</arg_key>)?\s*<arg_value>(.*?)(?:</arg_value>|(?=<arg_key>)|\Z)", re.DOTALL
)
_CLOSED = re.compile(r"\s*([^<>\s]+)\s*(?:<arg_key>[^<]*</arg_key>\s*<arg_value>(?>.*?</arg_value>)\s*)*+", re.DOTALL)
_NEVER = ("</arg_value>", "<arg_key>", "</tool_call>")
_VALUES, _TEXTS = Notation(never=_NEVER), Notation("", "", never=_NEVER)
CALLS = CallShape(
    f"<tool_call>{NAME}{GAP}{ARGUMENTS}</tool_call>",
    Writing(_VALUES, Pairs("<arg_key>", "</arg_key><arg_value>", "</arg_value>", texts=_TEXTS, trims=True)),
)
CALLS_IN_LINES = CallShape(
    f"<tool_call>{NAME}\n{ARGUMENTS}</tool_call>",
    Writing(_VALUES, Pairs("<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>", "\n", texts=_TEXTS, trims=True)),
)


def read_pairs(asked: Asked, raw: str) -> list[tuple[str, dict[str, Any]]] | None:
    """Return the call whose name stands before pairs of tags, ``None`` if it is none.

    Tags that models forget to close are closed where the next one begins.
    """
    match = _CALL.fullmatch(raw)
    name = match[1] if match else ""
    if match is None or not name or re.search(r"[<>\s]", name):
        return None
    arguments = {
        key.strip(): typed_value(one_line_break_less(value), asked.types_of(name, key.strip()))
        for key, value in side_by_side(_OPEN_PAIR, match[2])
    }
    return [(name, arguments)]


def _whole(asked: Asked, raw: str) -> bool:
    """Return whether a call of a known function lacks nothing but the tag behind it, or the end of that."""
    match = _CLOSED.fullmatch(raw[: len(raw) - overlap(raw, "</tool_call>")])
    return match is not None and match[1] in asked.tools


def _parser(asked: Asked, *, thinking: bool) -> TagParser:
    """Return a parser; without ``thinking`` a tag may begin thoughts all the same."""
    return TagParser(
        thinking=True,
        open_tag="" if thinking else "<think>",
        must_open=not thinking,
        trim_start=False,
        call="<tool_call>",
        call_end="</tool_call>",
        read=lambda raw: read_pairs(asked, raw),
        whole=lambda raw: _whole(asked, raw),
    )


def glm47_parser(asked: Asked) -> TagParser:
    """Return a parser of GLM 4.7's answers."""
    return _parser(asked, thinking=asked.thinks(True))


def glm_ocr_parser(asked: Asked) -> TagParser:
    """Return a parser of GLM-OCR's answers, which think of their own accord or not at all."""
    return _parser(asked, thinking=False)
