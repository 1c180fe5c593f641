"""What Qwen's models, and those that were trained on their words, have in common."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from puna.inference.families.dialogue import Turn, argument_text, printed
from puna.inference.families.parsing import Asked, TagParser, json_calls, typed_value
from puna.inference.format.arguments import Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, GAP, NAME, CallShape
from puna.inference.format.notation import Notation
from puna.inference.prompt.ollama_values import TemplateToolCall

START, END = "<|im_start|>", "<|im_end|>"
HOW_TO_CALL = (
    "If you choose to call a function ONLY reply in the following format with NO suffix:\n\n"
    "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n</parameter>\n"
    "<parameter=example_parameter_2>\nThis is the value for the second parameter\nthat can span\nmultiple lines\n"
    "</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\nReminder:\n"
    "- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within "
    "<tool_call></tool_call> XML tags\n"
    "- Required parameters MUST be specified\n"
    "- You may provide optional reasoning for your function call in natural language BEFORE the function call, "
    "but NOT after\n"
    "- If there is no function call available, answer the question like normal with your current knowledge and do not "
    "tell the user about function calls\n</IMPORTANT>"
)
_HANDLED = ("type", "description")


def call_text(call: TemplateToolCall) -> str:
    """Return a call as lines of XML-like tags."""
    lines = [f"<tool_call>\n<function={call.name}>"]
    lines += [f"<parameter={name}>\n{printed(value)}\n</parameter>" for name, value in call.arguments.items()]
    return "\n".join([*lines, "</function>\n</tool_call>"])


def function_text(function: Mapping[str, Any]) -> str:
    """Return a function's definition in tags, as Qwen 3 Coder reads it."""
    parameters = function["parameters"]
    lines = [f"<function>\n<name>{function['name']}</name>"]
    if function.get("description"):
        lines.append(f"<description>{function['description']}</description>")
    lines.append("<parameters>")
    for name, schema in (parameters.get("properties") or {}).items():
        lines.append(f"<parameter>\n<name>{name}</name>")
        if schema.get("type"):
            lines.append(f"<type>{argument_text(schema['type'])}</type>")
        if schema.get("description"):
            lines.append(f"<description>{schema['description']}</description>")
        lines += _more(schema, _HANDLED)
        lines.append("</parameter>")
    lines += _more(parameters, ("type", "properties"))
    return "\n".join([*lines, "</parameters>\n</function>"])


def _more(schema: Mapping[str, Any], handled: Sequence[str]) -> list[str]:
    return [
        f"<{key}>{argument_text(value)}</{key}>"
        for key, value in schema.items()
        if key not in handled and value is not None
    ]


def last_question(turns: Sequence[Turn], texts: Sequence[str]) -> int:
    """Return the index of the last question of the user that is no function's result; without one, of the last turn."""
    for index in range(len(turns) - 1, -1, -1):
        text = texts[index]
        is_result = text.startswith("<tool_response>") and text.endswith("</tool_response>")
        if turns[index].role == "user" and not is_result:
            return index
    return len(turns) - 1


CALL, CALL_END = "<tool_call>", "</tool_call>"
OPEN, CLOSE = "<think>", "</think>"
_FUNCTION = re.compile(r"<function=([^>]+)>(.*)", re.DOTALL)
_PARAMETER = re.compile(
    r"\s*<parameter=([^>]+)>(.*?)(?:</parameter>|(?=<parameter=)|(?=</function>\s*\Z)|\Z)", re.DOTALL
)


_NEVER = ("</parameter>", "<parameter=", "</function>", CALL_END)
TAGGED = CallShape(
    f"{CALL}{GAP}<function={NAME}>{GAP}{ARGUMENTS}</function>{GAP}{CALL_END}",
    Writing(
        Notation(never=_NEVER),
        Pairs("<parameter=", ">\n", "\n</parameter>", "\n", texts=Notation("", "", never=_NEVER)),
    ),
    in_thoughts=f"{CALL}\n<function={NAME}>\n{ARGUMENTS}</function>{GAP}{CALL_END}",
)
"""How calls in tags are written."""


def one_line_break_less(text: str) -> str:
    """Return a text without the line breaks that stand beside the tags around it."""
    return text.removeprefix("\n").removesuffix("\n")


def side_by_side(pair: re.Pattern[str], text: str) -> Iterator[tuple[str, ...]]:
    """Yield the groups of the pairs that a text begins with; what stands behind other text belongs to another call."""
    match = pair.match(text)
    while match:
        yield match.groups("")
        match = pair.match(text, match.end())


def read_tagged(asked: Asked, raw: str) -> list[tuple[str, Mapping[str, Any]]] | None:
    """Return the call in tags, its arguments of the types that its function declares; ``None`` if it is none."""
    function = _FUNCTION.search(raw)
    if not function:
        return None
    name = function[1]
    arguments = {
        parameter: typed_value(one_line_break_less(value), asked.types_of(name, parameter))
        for parameter, value in side_by_side(_PARAMETER, function[2])
    }
    return [(name, arguments)]


def json_parser(*, thinking: bool, opens: bool) -> TagParser:
    """Return a parser for calls in JSON; ``opens``: a tag may stand before the thoughts."""
    return TagParser(
        thinking=thinking,
        open_tag=OPEN if opens else "",
        call=CALL,
        call_end=CALL_END,
        read=json_calls,
        call_while_thinking=True,
    )


def tagged_parser(asked: Asked, *, thinking: bool) -> TagParser:
    """Return a parser for calls in tags."""
    return TagParser(
        thinking=thinking,
        open_tag=OPEN,
        call=CALL,
        call_end=CALL_END,
        read=lambda raw: read_tagged(asked, raw),
        whole=lambda raw: "</function>" in raw,
        call_while_thinking=True,
    )
