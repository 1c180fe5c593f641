"""LFM2, with and without thinking."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from puna.inference.families.dialogue import (
    Dialogue,
    Turn,
    contents,
    spaced_definition,
    spaced_plain,
    split_system,
    thinks,
)
from puna.inference.families.parsing import Asked, TagParser
from puna.inference.families.python_calls import NotACallError, read_calls
from puna.inference.families.qwen_text import END, START
from puna.inference.format.arguments import Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, FIRST, GAP, NAME, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.events import ContentText, OutputEvent

BOS = "<|startoftext|>"
_OPEN, _CLOSE = "<think>", "</think>"
_CALL, _CALL_END = "<|tool_call_start|>", "<|tool_call_end|>"
_RESPONSE, _RESPONSE_END = "<|tool_response_start|>", "<|tool_response_end|>"


def _render(dialogue: Dialogue, *, thinking: bool) -> str:
    """Return the prompt; ``thinking`` is for models that can, and keep only the last answer's thoughts."""
    first, turns = split_system(dialogue.turns)
    keeps = thinking and thinks(dialogue.think)
    system = first.content if first else ""
    if dialogue.tools:
        tools = ", ".join(spaced_definition(function) for function in dialogue.functions)
        system += ("\n" if system else "") + f"List of tools: <|tool_list_start|>[{tools}]<|tool_list_end|>"
    parts = [BOS, f"{START}system\n{system}{END}\n" if system else ""]
    last_answer = max((index for index, turn in enumerate(turns) if turn.role == "assistant"), default=-1)
    texts = contents(dialogue.turns)[1 if first else 0 :]
    for index, (turn, text) in enumerate(zip(turns, texts, strict=True)):
        if turn.role == "assistant":
            text = _answer(turn, text, thinking=thinking)
            if not keeps and index != last_answer and _CLOSE in text:
                text = text.rpartition(_CLOSE)[2].strip()
        elif turn.role == "tool" and _RESPONSE not in text:
            text = f"{_RESPONSE}{text}{_RESPONSE_END}"
        prefill = index == len(turns) - 1 and turn.role == "assistant"
        parts.append(f"{START}{turn.role}\n{text}" + ("" if prefill else f"{END}\n"))
    if not dialogue.turns or dialogue.turns[-1].role != "assistant":
        parts.append(f"{START}assistant\n")
    return "".join(parts)


def _answer(turn: Turn, text: str, *, thinking: bool) -> str:
    if turn.calls and _CALL not in text:
        text = _calls(turn) + ("\n" if text.strip() else "") + text
    if thinking and turn.thinking and _CLOSE not in text:
        text = f"{_OPEN}{turn.thinking}{_CLOSE}{text}"
    return text


def _calls(turn: Turn) -> str:
    calls = (f"{call.name}({_arguments(call.arguments)})" for call in turn.calls)
    return f"{_CALL}[{','.join(calls)}]{_CALL_END}"


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={spaced_plain(value)}" for name, value in sorted(arguments.items()))


plain = partial(_render, thinking=False)
thinking = partial(_render, thinking=True)


MARKS = (_CALL, _CALL_END)
_NEVER = (_CALL_END,)
CALLS = CallShape(
    f"{NAME}({ARGUMENTS})",
    Writing(Notation(never=_NEVER), Pairs("", "=", "", separator=",", texts=Notation(escapes="python", never=_NEVER))),
    begin=f"{_CALL}[",
    between=f",{GAP}",
    end=f"]{_CALL_END}",
)
BARE_CALLS = replace(CALLS, begin=f"{FIRST}[", end="]", marked_by_name=True)
"""How models write calls that have nothing around them: those of Llama 4, ToolACE and watt-tool."""
MINICPM_CALLS = replace(CALLS, begin=f"{_CALL}\n```python\n", between="\n", end=f"\n```\n{_CALL_END}")
MINICPM_THOUGHTS = ("<|thought_start|>", "<|thought_end|>")


def _read(raw: str) -> list[tuple[str, dict[str, Any]]] | None:
    try:
        return read_calls(raw)
    except NotACallError:
        return None


class _Parser(TagParser):
    """Also reads an answer that is nothing but calls, without the tags around them."""

    def __init__(self, asked: Asked, *, thinking: bool) -> None:
        super().__init__(
            thinking=thinking,
            open_tag=_OPEN,
            must_open=True,
            call=_CALL,
            call_end=_CALL_END,
            read=_read,
            trim_end=False,
        )
        self._asked = asked
        self._held = ""
        self._may_be_bare = bool(asked.tools)

    def feed(self, text: str) -> list[OutputEvent]:
        return self._without_bare(super().feed(text))

    def finish(self) -> list[OutputEvent]:
        events = self._without_bare(super().finish())
        held, self._held = self._held, ""
        calls = _read(held) if self._may_be_bare and held else None
        if not calls or any(name not in self._asked.tools for name, _ in calls):
            return ([ContentText(held)] if held else []) + events
        for name, arguments in calls:
            self._call(name, arguments)
        found, self._events = self._events, []
        return events + found

    def _without_bare(self, events: list[OutputEvent]) -> list[OutputEvent]:
        """Hold back content as long as it may be the beginning of calls without tags."""
        passed: list[OutputEvent] = []
        for event in events:
            if not self._may_be_bare or not isinstance(event, ContentText):
                passed.append(event)
                continue
            self._held += event.text
            said = self._held.lstrip().lstrip("[")
            name = said.partition("(")[0].strip()
            if said and not any(
                tool == name or ("(" not in said and tool.startswith(name)) for tool in self._asked.tools
            ):
                passed.append(ContentText(self._held))
                self._held, self._may_be_bare = "", False
        return passed


def parser(asked: Asked) -> TagParser:
    """Return a parser of the answers of the model that does not think."""
    return _Parser(asked, thinking=False)


def thinking_parser(asked: Asked) -> TagParser:
    """Return a parser of the answers of the model that thinks if it is told to."""
    return _Parser(asked, thinking=asked.thinks() and not asked.prefill)


def minicpm_parser(_: Asked) -> TagParser:
    """Return a parser of the answers of MiniCPM 3 and 4, whose calls are lines of a block of code."""
    return TagParser(thinking=False, call=_CALL, call_end=_CALL_END, read=_read_block)


def _read_block(raw: str) -> list[tuple[str, dict[str, Any]]] | None:
    return _read(raw.strip().removeprefix("```python").removesuffix("```"))
