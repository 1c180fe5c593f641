"""Glimmer."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from puna.inference.families.dialogue import Dialogue, Think, Turn, contents, printed, spaced_definition, spaced_plain
from puna.inference.families.parsing import Asked, StateParser, typed_value
from puna.inference.format.arguments import Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, NAME, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.events import ContentText, ThinkingText
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
        f'{spaced_plain(function.get("description", ""))}, "parameters": {spaced_definition(function["parameters"])}}}'
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
        f'<atem:parameter name="{name}">{printed(value, spaced_plain)}</atem:parameter>\n'
        for name, value in call.arguments.items()
    )
    return f'<atem:function_calls>\n<atem:invoke name="{call.name}">\n{values}</atem:invoke>\n</atem:function_calls>'


MARKS = (_START, _MESSAGE, _END_MESSAGE, _END_TURN)
_HEADER = f"{_START}assistant"
_CALLS, _CALLS_END = "<atem:function_calls>", "</atem:function_calls>"
_INVOKE = re.compile(r"\s*<atem:invoke name=\"(.*?)(?:\">|(?=<atem:parameter))(.*)</atem:invoke>\s*", re.DOTALL)
_PARAMETER = re.compile(r"<atem:parameter name=\"([^<]*?)\">(.*?)</atem:parameter>", re.DOTALL)
_NEW_HEADER = re.compile(f"{re.escape(_HEADER)}(?: to=([^\\s<]+))?{re.escape(_MESSAGE)}")
_MAY_BE_HEADER = re.compile(f"{re.escape(_HEADER)}(?: (?:t(?:o(?:=(?:[^\\s<]*(?:<[|a-z>]*)?)?)?)?)?|<[|a-z>]*)?")
_ENDS = (_END_MESSAGE, _END_TURN)
_NEVER = ("</atem:parameter>", "</atem:invoke>", _CALLS_END)
CALLS = CallShape(
    f' to={NAME}{_MESSAGE}{_CALLS}\n<atem:invoke name="{NAME}">\n{ARGUMENTS}</atem:invoke>\n{_CALLS_END}',
    Writing(
        Notation(never=_NEVER),
        Pairs('<atem:parameter name="', '">', "</atem:parameter>", "\n", texts=Notation("", "", never=_NEVER)),
    ),
    between=f"{_END_MESSAGE}{_HEADER}",
    marked_by_name=True,
)


class _Parser(StateParser):
    """Messages with a header that says to whom: to itself (thoughts), to the user, or to a function."""

    keeps_half_marks = True

    def __init__(self, asked: Asked) -> None:
        super().__init__(self._header)
        self._asked = asked
        self._tells = asked.thinks(True)
        self._recipient = ""

    def _header(self) -> bool:
        if self._text.startswith(_HEADER):
            self._text = self._text[len(_HEADER) :]
        elif _HEADER.startswith(self._text) and self._text[:1] == "<" and not self._ended:
            return False
        header, mark, rest = self._text.partition(_MESSAGE)
        if not mark:
            if self._ended:
                self._say(self._text)
                self._text = ""
            return False
        self._text = rest
        self._recipient = header.strip().removeprefix("to=").strip()
        if self._recipient == "self":
            return self._go(self._thoughts)
        return self._go(self._arguments if self._known(self._recipient) else self._start)

    def _thoughts(self) -> bool:
        ended = self._message(ThinkingText)
        if not self._tells:
            self._events = [event for event in self._events if not isinstance(event, ThinkingText)]
        return ended

    def _start(self) -> bool:
        """Tell a call that is addressed to the user from text."""
        text = self._text.lstrip()
        may_be_call = bool(self._asked.tools) and (text.startswith(_CALLS) or _CALLS.startswith(text))
        if not may_be_call or (self._ended and not text.startswith(_CALLS)):
            return self._go(self._content)
        return text.startswith(_CALLS) and self._go(self._arguments)

    def _content(self) -> bool:
        return self._message()

    def _message(self, kind: type[ContentText | ThinkingText] = ContentText) -> bool:
        """Report text up to the end of the message: a mark, or the header of the next."""
        header = next((match for match in _NEW_HEADER.finditer(self._text) if self._is_recipient(match[1])), None)
        ends = [at for mark in _ENDS if (at := self._text.find(mark)) >= 0]
        if header and all(header.start() < at for at in ends):
            self._say(self._text[: header.start()], kind)
            self._text = self._text[header.start() :]
            return self._go(self._header)
        if not ends and not self._ended:
            start = self._text.find(_START)
            while start >= 0 and not _MAY_BE_HEADER.fullmatch(self._text, start):
                start = self._text.find(_START, start + 1)
            if start >= 0:
                self._say(self._text[:start], kind)
                self._text = self._text[start:]
                return False
        return bool(self._up_to([*_ENDS, *([] if ends else [_HEADER])], kind, trim=False)) and self._go(self._header)

    def _is_recipient(self, name: str | None) -> bool:
        return name in (None, "self", "user") or name in self._asked.tools

    def _arguments(self) -> bool:
        close = self._text.find(_CALLS_END)
        after = self._text[close + len(_CALLS_END) :] if close >= 0 else ""
        ends = [(at, mark) for mark in (*_ENDS, _START) if (at := after.find(mark)) >= 0]
        if (close < 0 or not ends) and not self._ended:
            return False
        raw = self._text if close < 0 else self._text[: close + len(_CALLS_END)]
        at, mark = min(ends, default=(len(after), ""))
        said, self._text = after[:at], after[at if mark == _START else at + len(mark) :]
        to_function = bool(self._known(self._recipient))
        call = self._read(raw.strip()) if to_function or not said.strip() else None
        if call:
            self._call(*call)
        elif to_function and raw.strip():
            self._keep(raw)
        else:
            self._say(raw)
        self._say(said if said.strip() else "")
        return self._go(self._header)

    def _read(self, raw: str) -> tuple[str, dict[str, Any]] | None:
        if not raw.startswith(_CALLS) or not raw.endswith(_CALLS_END):
            return None
        match = _INVOKE.fullmatch(raw[len(_CALLS) : -len(_CALLS_END)])
        name = self._known(match[1].replace(_MESSAGE, "")) if match else ""
        if match is None or not name:
            return None
        arguments = {
            parameter: typed_value(value, self._asked.types_of(name, parameter))
            for parameter, value in _PARAMETER.findall(match[2])
        }
        return name, arguments

    def _known(self, name: str) -> str:
        """Return the function that is called so, "" if there is none; its namespace may stand twice."""
        if name in self._asked.tools:
            return name
        namespace, _, function = name.partition(".")
        return function if function in self._asked.tools and function.partition(".")[0] == namespace else ""


def parser(asked: Asked) -> StateParser:
    """Return a parser of its answers."""
    return _Parser(asked)
