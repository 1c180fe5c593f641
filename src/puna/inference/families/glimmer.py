"""Glimmer."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from puna.inference.families.dialogue import Dialogue, Think, Turn, argument_text, contents, spaced_plain
from puna.inference.prompt.ollama_values import TemplateToolCall

BOS = "<|begin_of_text|>"
_START, _MESSAGE, _END_MESSAGE, _END_TURN = "<|start|>", "<|message|>", "<|eom|>", "<|eot|>"
_CUTOFF = "2026-01-04"
_TOOLS = """In this environment you have access to a set of tools you can use to answer the user's question.

You can invoke a function by writing a "<atem:function_calls>" block like the following:
<atem:function_calls>
<atem:invoke name="$FUNCTION_NAME">
<atem:parameter name="$PARAMETER_NAME">$PARAMETER_VALUE</atem:parameter>
...
</atem:invoke>
</atem:function_calls>

String and scalar parameters should be specified as is, while lists and objects should use JSON format. \
Note that spaces for string values are not stripped. \
The output is not expected to be valid XML and is parsed with regular expressions.
Here are the functions available in JSONSchema format:
// Tool metadata
"""
_EXAMPLE = """

Here's an example of how to call a function in the tool set:
(If the tool namespace is not specified, invoke the function directly as `example_function_name` rather than \
`example_tool_name.example_function_name`)

to=example_tool_name.example_function_name

<atem:function_calls>
<atem:invoke name="example_tool_name.example_function_name">
<atem:parameter name="example_parameter_1">value_1</atem:parameter>
<atem:parameter name="example_parameter_2">This is the value for the second parameter
that can span
"multiple" lines
</atem:parameter>
</atem:invoke>
</atem:function_calls>"""
_EFFORT = re.compile("(?:Reasoning|reasoning) (?:Effort|effort)|REASONING EFFORT")
_STRENGTHS = {
    "Reasoning effort": "Reasoning strength",
    "Reasoning Effort": "Reasoning Strength",
    "reasoning effort": "reasoning strength",
    "REASONING EFFORT": "REASONING STRENGTH",
}


def render(dialogue: Dialogue) -> str:
    """Return the prompt; without a system message it says who the model is, and the date."""
    turns = dialogue.turns
    parts = [BOS]
    if not any(turn.role == "system" for turn in turns):
        introduction = (
            f"You are a helpful AI assistant.\nKnowledge cutoff: {_CUTOFF}.\nCurrent date: {date.today().isoformat()}."
        )
        parts.append(_system(dialogue, introduction, strength=True))
    for index, (turn, text) in enumerate(zip(turns, contents(turns), strict=True)):
        if turn.role == "system":
            said = _EFFORT.sub(lambda match: _STRENGTHS.get(match[0], match[0]), text)
            parts.append(_system(dialogue, said, strength="reasoning strength" not in said.lower()))
        elif turn.role == "user":
            parts.append(_written("user", text, _END_TURN))
        elif turn.role == "tool":
            name = _called(turn, turns)
            parts.append(_written(f"tool {name}", f'<tool_output name="{name}">\n{text}\n</tool_output>', _END_TURN))
        elif turn.role == "assistant":
            goes_on = index + 1 < len(turns) and turns[index + 1].role == "assistant"
            parts += _answer(turn, text, _END_MESSAGE if goes_on else _END_TURN)
    return "".join([*parts, f"{_START}assistant"])


def _written(header: str, content: str, end: str) -> str:
    return f"{_START}{header}{_MESSAGE}{content}{end}"


def _strength(think: Think) -> str:
    return think if isinstance(think, str) and think else "none" if think is False else "high"


def _system(dialogue: Dialogue, content: str, *, strength: bool) -> str:
    said = f"\n\nReasoning strength: {_strength(dialogue.think)}." if strength else ""
    functions = dialogue.functions
    namespaces = list(dict.fromkeys(function["name"].partition(".")[0] for function in functions))
    recipients = "".join(f', "{name}.*"' for name in namespaces)
    tools = f"\n\n{_definitions(functions, namespaces)}" if functions else ""
    return _written("system", f'{content}{said}{tools}\n\n# Valid recipients: "self"{recipients}, "user".', _END_TURN)


def _definitions(functions: Sequence[Mapping[str, Any]], namespaces: Sequence[str]) -> str:
    metadata = "".join(f'{{"name": {spaced_plain(name)}, "description": ""}}\n' for name in namespaces)
    schemas = "".join(
        f'\n{{"name": {spaced_plain(function["name"])}, "description": '
        f'{spaced_plain(function.get("description", ""))}, "parameters": {spaced_plain(function["parameters"])}}}'
        for function in functions
    )
    return f"{_TOOLS}{metadata}// Function schemas{schemas}{_EXAMPLE}"


def _called(turn: Turn, turns: Sequence[Turn]) -> str:
    """Return the name of the function whose result a turn is."""
    if turn.tool_name or not turn.tool_call_id:
        return turn.tool_name
    calls = [call.name for other in turns for call in other.calls if call.id == turn.tool_call_id]
    return calls[-1] if calls else turn.tool_call_id


def _answer(turn: Turn, text: str, end: str) -> list[str]:
    parts = [_written("assistant to=self", turn.thinking, _END_MESSAGE)] if turn.thinking else []
    if turn.calls:
        last = len(turn.calls) - 1
        return parts + [
            _written(f"assistant to={call.name}", _call(call), end if order == last else _END_MESSAGE)
            for order, call in enumerate(turn.calls)
        ]
    if text or not turn.thinking:
        parts.append(_written("assistant to=user", text, _END_TURN))
    return parts


def _call(call: TemplateToolCall) -> str:
    values = "".join(
        f'<atem:parameter name="{name}">{argument_text(value, spaced_plain)}</atem:parameter>\n'
        for name, value in call.arguments.items()
    )
    return f'<atem:function_calls>\n<atem:invoke name="{call.name}">\n{values}</atem:invoke>\n</atem:function_calls>'
