"""DeepSeek 3.1, and Cogito, which was trained on it."""

import re
from collections.abc import Callable
from typing import Any

from puna.inference.families.dialogue import Dialogue, compact, ends_run, indented, starts_run, thinks
from puna.inference.families.parsing import Asked, StateParser
from puna.inference.format.arguments import Writing
from puna.inference.format.calls import ARGUMENTS, NAME, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.calls import arguments_in, written_object
from puna.inference.output.events import ThinkingText

BOS = "<｜begin▁of▁sentence｜>"
_EOS = "<｜end▁of▁sentence｜>"
_USER, _ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
_CALLS, _CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_CALL, _CALL_END, _SEPARATOR = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"
_OUTPUT, _OUTPUT_END = "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"
_OUTPUTS, _OUTPUTS_END = "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"
_OPEN, _CLOSE = "<think>", "</think>"
_HOW_TO_CALL = (
    "\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
    f"{_CALLS}{_CALL}tool_call_name{_SEPARATOR}tool_call_arguments{_CALL_END}{{{{additional_tool_calls}}}}{_CALLS_END}\n\n"
    "Where:\n\n"
    "- `tool_call_name` must be an exact match to one of the available tools\n"
    "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n"
    "- For multiple tool calls, chain them directly without separators or spaces\n"
)
_COGITO = "You are Cogito, an AI assistant created by Deep Cogito, which is an AI research lab based in San Francisco."
_COGITO_THINKS = "Enable deep thinking subroutine.\n\n"


def deepseek31(dialogue: Dialogue) -> str:
    """Return the prompt of DeepSeek 3.1; all system messages stand at the beginning."""
    turns, think = dialogue.turns, thinks(dialogue.think)
    parts = [BOS, "\n\n".join(turn.content for turn in turns if turn.role == "system")]
    if dialogue.tools:
        parts.append("\n\n## Tools\nYou have access to the following tools:\n")
        for function in dialogue.functions:
            parts.append(f"\n### {function['name']}\nDescription: {function.get('description', '')}")
            parts.append(f"\n\nParameters: {compact(function['parameters'])}\n")
        parts.append(_HOW_TO_CALL)
    last_user = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    before = ""  # the role of the last turn that was written
    for index, turn in enumerate(turns):
        if turn.role == "user":
            parts.append(_USER + turn.content)
        elif turn.role == "assistant" and turn.calls:
            parts.append(f"{_ASSISTANT}{_CLOSE}" if before == "user" else "")
            calls = (f"{_CALL}{call.name}{_SEPARATOR}{compact(call.arguments)}{_CALL_END}" for call in turn.calls)
            parts.append(f"{turn.content}{_CALLS}{''.join(calls)}{_CALLS_END}{_EOS}")
        elif turn.role == "assistant":
            content = turn.content
            if before == "user":
                parts.append(_ASSISTANT + (_OPEN if turn.thinking and think and index > last_user else _CLOSE))
            if before != "tool":
                content = content.partition(_CLOSE)[2] if _CLOSE in content else content
            parts.append(content + _EOS)
        elif turn.role == "tool":
            parts.append(f"{_OUTPUT}{turn.content}{_OUTPUT_END}")
        else:
            continue
        before = turn.role
    if before == "user":
        parts.append(_ASSISTANT + (_OPEN if think else _CLOSE))
    return "".join(parts)


def cogito(dialogue: Dialogue) -> str:
    """Return the prompt of Cogito; all system messages stand at the beginning."""
    system = "\n\n".join(turn.content for turn in dialogue.turns if turn.role == "system")
    turns = [turn for turn in dialogue.turns if turn.role != "system"]
    think = thinks(dialogue.think)
    parts = [BOS, _COGITO_THINKS if think else "", _COGITO]
    if system:
        parts.append(f"\n\n{system}" + ("\n\n" if think else ""))
    if dialogue.tools:
        parts.append("\nYou have the following functions available:\n")
        parts += [f"```json\n{indented(tool)}\n```\n" for tool in dialogue.documents]
    before = ""
    for index, turn in enumerate(turns):
        if turn.role == "user":
            parts.append(f"{_USER}{turn.content}{_ASSISTANT}")
        elif turn.role == "assistant":
            calls = (
                f"{_CALL}function{_SEPARATOR}{call.name}\n```json\n{compact(call.arguments)}\n```{_CALL_END}"
                for call in turn.calls
            )
            parts.append(turn.content + ("{}{}{}".format(_CALLS, "\n".join(calls), _CALLS_END) if turn.calls else ""))
            parts.append(_EOS)
        elif turn.role == "tool":
            parts.append(_OUTPUTS if starts_run(turns, index) else "")
            parts.append(f"{_OUTPUT}{turn.content}{_OUTPUT_END}")
            parts.append(_OUTPUTS_END if ends_run(turns, index) else "\n")
        else:
            continue
        before = turn.role
    if before != "user":
        parts.append(_ASSISTANT)
    if think:
        parts.append(f"{_OPEN}\n")
    return "".join(parts)


MARKS = (_CALLS, _CALLS_END, _CALL, _CALL_END, _SEPARATOR, _OUTPUT, _OUTPUT_END)
OUTPUTS = (_OUTPUTS, _OUTPUTS_END)
_WRITING = Writing(Notation(never=(_CALL_END,)))
DEEPSEEK_CALLS = CallShape(
    f"{_CALL}{NAME}{_SEPARATOR}{ARGUMENTS}{_CALL_END}", _WRITING, begin=_CALLS, between="", end=_CALLS_END
)
COGITO_CALLS = CallShape(
    f"{_CALL}function{_SEPARATOR}{NAME}\n```json\n{ARGUMENTS}\n```{_CALL_END}",
    _WRITING,
    begin=_CALLS,
    between="\n",
    end=_CALLS_END,
)
_FENCED = re.compile(r".*?\n```json\n(.*?)\n```", re.DOTALL)


class _Parser(StateParser):
    """Thoughts up to a tag, then text, lists of calls, and results that the model has made up itself."""

    def __init__(
        self,
        *,
        thinking: bool,
        read: Callable[[str], tuple[str, dict[str, Any]] | None],
        outputs: tuple[str, str],
        tells_outputs: bool,
    ) -> None:
        super().__init__(self._thoughts if thinking else self._content)
        self._read = read
        self._outputs, self._outputs_end = outputs
        self._tells_outputs = tells_outputs

    def _thoughts(self) -> bool:
        return bool(self._up_to([_CLOSE], ThinkingText)) and self._then_space(self._content)

    def _content(self) -> bool:
        """Report text; white space is left out before calls only, so it is held back as long as these may come."""
        mark = self._up_to([_CALLS, self._outputs], trim_end=False)
        if mark == _CALLS:
            return self._go(self._calls)
        if mark and self._tells_outputs:
            self._say(self._trimmed)
        return bool(mark) and self._go(self._output)

    def _calls(self) -> bool:
        begin, end = self._text.find(_CALL), self._text.find(_CALLS_END)
        if end >= 0 and (begin < 0 or end < begin):
            self._text = self._text[end + len(_CALLS_END) :]
            return self._then_space(self._content)
        close = self._text.find(_CALL_END, begin)
        if begin < 0 or close < 0:
            if self._ended and self._text.strip():
                self._keep(self._text)
                self._text = ""
            return False
        raw, self._text = self._text[begin + len(_CALL) : close], self._text[close + len(_CALL_END) :].lstrip()
        call = self._read(raw)
        if call:
            self._call(*call)
        else:
            self._keep(f"{_CALL}{raw}{_CALL_END}")
        return True

    def _output(self) -> bool:
        before, end, after = self._text.partition(self._outputs_end)
        if not end and not self._ended:
            return False
        self._say(before if self._tells_outputs else "")
        self._text = after
        return self._go(self._content)


def _read_deepseek(raw: str) -> tuple[str, dict[str, Any]] | None:
    name, separator, arguments = raw.partition(_SEPARATOR)
    value = arguments_in(arguments) if separator else None
    return None if value is None else (name.strip(), value)


def _read_cogito(raw: str) -> tuple[str, dict[str, Any]] | None:
    _, separator, call = raw.partition(_SEPARATOR)
    match = _FENCED.match(call) if separator else None
    value = written_object(match[1]) if match else None
    return None if value is None else (call.partition("\n```json\n")[0].strip(), value)


def deepseek_parser(asked: Asked) -> StateParser:
    """Return a parser of DeepSeek 3.1's answers; it does not think on behind a function's result."""
    return _Parser(
        thinking=asked.thinks() and not asked.prefill and not asked.after_result,
        read=_read_deepseek,
        outputs=(_OUTPUT, _OUTPUT_END),
        tells_outputs=True,
    )


def cogito_parser(asked: Asked) -> StateParser:
    """Return a parser of Cogito's answers."""
    return _Parser(
        thinking=asked.thinks() and not asked.prefill,
        read=_read_cogito,
        outputs=(_OUTPUTS, _OUTPUTS_END),
        tells_outputs=False,
    )
