"""Laguna: its second template, and its eighth, which Poolside's first models have."""

import re
from collections.abc import Mapping
from typing import Any

from puna.inference.families.dialogue import Dialogue, argument_text, spaced, thinks
from puna.inference.families.glm import arguments_text, read_pairs
from puna.inference.families.parsing import Asked, StateParser, json_calls
from puna.inference.output.calls import written_object
from puna.inference.output.events import ThinkingText, overlap

BOS = "〈|EOS|〉"
_OPEN, _CLOSE = "<think>", "</think>"
_DEFAULT_SYSTEM = (
    "You are a helpful, conversationally-fluent assistant made by Poolside. "
    "You are here to be helpful to users through natural language conversations."
)
_SIGNATURES = (
    "### Tools\n\nYou may call functions to assist with the user query.\n"
    "All available function signatures are listed below:\n<available_tools>\n"
)
_HOW_TO_CALL = (
    "or each function call, return an unescaped XML-like object with function name and arguments within '<tool_call>' "
    "and '</tool_call>' tags, like here:\n"
)
_THINK_AND_CALL = f"Wrap your thinking in '{_OPEN}', '{_CLOSE}' tags, followed by a function call. F{_HOW_TO_CALL}"
_EXAMPLE = (
    "<tool_call>function-name\n<arg_key>argument-key</arg_key>\n"
    "<arg_value>value-of-argument-key</arg_value>\n</tool_call>"
)


def laguna(dialogue: Dialogue) -> str:
    """Return the prompt; each answer of the past begins with its thoughts, or with the mark that it has none."""
    turns, think = dialogue.turns, thinks(dialogue.think)
    has_system = bool(turns) and turns[0].role == "system"
    system = turns[0].content if has_system else _DEFAULT_SYSTEM
    parts = [BOS]
    if system.strip() or dialogue.tools:
        parts.append("<system>\n" + (f"\n{system.rstrip()}" if system.strip() else ""))
        if dialogue.tools:
            how = f"{_THINK_AND_CALL}{_OPEN} your thoughts here {_CLOSE}\n" if think else f"F{_HOW_TO_CALL}"
            parts.append(f"\n\n{_signatures(dialogue)}\n\n{how}{_EXAMPLE}")
        parts.append("\n</system>\n")
    for index, turn in enumerate(turns):
        if turn.role == "assistant":
            content, thought = _answer(turn.content, turn.thinking)
            parts.append("<assistant>\n" + (f"{_OPEN}\n{thought}\n{_CLOSE}\n" if thought else f"{_CLOSE}\n"))
            parts.append(f"{content}\n" if content else "")
            parts += [f"<tool_call>{call.name}\n{_lines(call.arguments)}</tool_call>\n" for call in turn.calls]
            prefill = index == len(turns) - 1 and (content or thought or turn.calls)
            parts.append("" if prefill else "</assistant>\n")
        elif turn.role in ("user", "system") and not (has_system and index == 0):
            parts.append(f"<{turn.role}>\n{turn.content}\n</{turn.role}>\n")
        elif turn.role == "tool":
            parts.append(f"<tool_response>\n{turn.content}\n</tool_response>\n")
    if not turns or turns[-1].role != "assistant":
        parts.append("<assistant>\n" + (_OPEN if think else _CLOSE))
    return "".join(parts)


def poolside(dialogue: Dialogue) -> str:
    """Return the prompt in the template without lines."""
    turns, think = dialogue.turns, thinks(dialogue.think)
    has_system = bool(turns) and turns[0].role == "system"
    system = turns[0].content if has_system else _DEFAULT_SYSTEM
    parts = [BOS]
    if system.strip() or dialogue.tools or think:
        head = [system.rstrip()] if system.strip() else []
        head += [_signatures(dialogue)] if dialogue.tools else []
        parts.append("<system>{}</system>\n".format("\n\n".join(head)))
    for index, turn in enumerate(turns):
        if turn.role == "assistant":
            thought = f"{_OPEN}{turn.thinking}{_CLOSE}" if think else _CLOSE
            calls = (f"<tool_call>{call.name}{arguments_text(call, spaced)}</tool_call>" for call in turn.calls)
            parts.append(f"<assistant>{thought}{turn.content}{''.join(calls)}</assistant>\n")
        elif turn.role in ("user", "system") and not (has_system and index == 0):
            parts.append(f"<{turn.role}>{turn.content}</{turn.role}>\n")
        elif turn.role == "tool":
            parts.append(f"<tool_response>{turn.content}</tool_response>\n")
    parts.append("<assistant>" + (_OPEN if think else _CLOSE))
    return "".join(parts)


def _signatures(dialogue: Dialogue) -> str:
    tools = "".join(f"{spaced(tool)}\n" for tool in dialogue.documents)
    return f"{_SIGNATURES}{tools}</available_tools>"


def _lines(arguments: Mapping[str, object]) -> str:
    return "".join(
        f"<arg_key>{name}</arg_key>\n<arg_value>{argument_text(value, spaced)}</arg_value>\n"
        for name, value in arguments.items()
    )


def _answer(content: str, thinking: str) -> tuple[str, str]:
    """Return an answer of the past and what it thought, which may stand in its text."""
    if _CLOSE in content:
        if not thinking:
            thinking = content.partition(_CLOSE)[0].rstrip("\n").rpartition(_OPEN)[2].lstrip("\n")
        content = content.rpartition(_CLOSE)[2]
    return content.strip(), thinking.strip()


_CALL, _CALL_END = "<tool_call>", "</tool_call>"
_USER, _USER_END = "<user>", "</user>"
_ALIASES = {"read_file": "read", "write_file": "write", "edit_file": "edit", "web_fetch": "webfetch"}
_JSON_CALL = re.compile(r"\{\s*\"(?:name|arguments)\"")
_NAME = re.compile(r"\s*+([^{<\s]*+)\s*+(\{.*)?", re.DOTALL)


class _Parser(StateParser):
    """Thoughts, text, and calls in tags, in JSON, or where the user's words would stand."""

    keeps_half_marks = True

    def __init__(self, asked: Asked, *, thinking: bool) -> None:
        super().__init__(self._before_thoughts if thinking else self._start)
        self._asked = asked
        self._tells = asked.thinks()
        self._within_thoughts = False

    def _before_thoughts(self) -> bool:
        self._text = self._text.lstrip()
        if self._text.startswith(_OPEN):
            self._text = self._text[len(_OPEN) :]
            return self._then_space(self._thoughts)
        return (not _OPEN.startswith(self._text) or self._ended) and self._go(self._thoughts)

    def _thoughts(self) -> bool:
        mark = self._up_to([_CLOSE, _CALL], ThinkingText)
        self._hide_thoughts()
        if mark == _CLOSE:
            return self._then_space(self._start)
        self._within_thoughts = True
        return bool(mark) and self._go(self._inside)

    def _hide_thoughts(self) -> None:
        if not self._tells:
            self._events = [event for event in self._events if not isinstance(event, ThinkingText)]

    def _start(self) -> bool:
        """Leave out the mark that there are no thoughts."""
        self._text = self._text.lstrip()
        if self._text.startswith(_CLOSE):
            self._text = self._text[len(_CLOSE) :]
            return self._then_space(self._start)
        return bool(self._text) and (not _CLOSE.startswith(self._text) or self._ended) and self._go(self._content)

    def _content(self) -> bool:
        self._within_thoughts = False
        marks = [_OPEN, _CALL, *([_USER, "{"] if self._asked.tools else [])]
        match self._up_to(marks):
            case "":
                return False
            case mark if mark == _OPEN:
                self._say(self._trimmed)
                return self._then_space(self._thoughts)
            case mark if mark == _CALL:
                return self._go(self._inside)
            case mark if mark == _USER:
                return self._go(self._alias)
            case _:
                self._text = "{" + self._text
                return self._go_to_object(self._object)

    def _inside(self) -> bool:
        raw, end, rest = self._text.partition(_CALL_END)
        if not end and not self._ended:
            return False
        thought, closed, after = raw.partition(_CLOSE) if self._within_thoughts else (raw, "", "")
        begun_anew = raw.rpartition(_CALL)[2]  # models give up on a call and write it again
        whole = bool(end) or self._whole(raw)
        is_call = whole and not (closed and _CALL in after) and (self._read(raw) or self._read(begun_anew))
        if closed and not is_call:  # thoughts that speak of calls
            self._say(self._trimmed + _CALL + thought.rstrip(), ThinkingText)
            self._hide_thoughts()
            self._text = after + end + rest
            return self._then_space(self._start)
        self._text = rest
        if not is_call and not (whole and not raw.strip()):
            self._keep(_CALL + raw + end)
        return self._then_space(self._content)

    def _whole(self, raw: str) -> bool:
        """Return whether a call without the tag behind it has all else."""
        return raw[: len(raw) - overlap(raw, _CALL_END)].rstrip().endswith(("}", "</arg_value>"))

    def _alias(self) -> bool:
        raw, end, rest = self._text.partition(_USER_END)
        if not end and not self._ended:
            return False
        self._text = rest
        if not self._read(raw, only_known=True):
            self._say(self._trimmed + _USER + raw + end)
            return self._go(self._content)
        return self._then_space(self._content)

    def _object(self) -> bool:
        end = self._object_end()
        begins_call = bool(_JSON_CALL.match(self._text)) or (len(self._text) < len('{"arguments"') and not self._ended)
        if begins_call and end is None and not self._ended:
            return False
        raw = self._text[:end] if end else ""
        if raw and begins_call and self._read(raw):
            self._text = self._text[end:]
            return self._then_space(self._content)
        self._text = self._text[1:]
        self._say(self._trimmed + "{")
        return self._go(self._content)

    def _read(self, raw: str, *, only_known: bool = False) -> bool:
        raw = raw.strip().removeprefix(_CALL).strip()
        name, arguments = _NAME.fullmatch(raw).groups() if _NAME.fullmatch(raw) else ("", None)  # type: ignore[union-attr]
        calls: list[tuple[str, Any]] | None
        if raw.startswith("{"):
            calls = json_calls(raw)
        elif arguments:
            value = written_object(arguments)
            calls = None if value is None else [(name, value)]
        else:
            calls = read_pairs(self._asked_as(raw), raw)
        if not calls or (only_known and self._known(calls[0][0]) not in self._asked.tools):
            return False
        for called, values in calls:
            self._call(self._known(called), values)
        return True

    def _asked_as(self, raw: str) -> Asked:
        """Return what is known of the functions, under the name that a call has for one as well."""
        name = raw.partition("<")[0].strip()
        known = self._known(name)
        return self._asked if known == name else Asked(tools={name: self._asked.tools[known]})

    def _known(self, name: str) -> str:
        """Return the name under which a function is known, if the model calls it by another."""
        alias = _ALIASES.get(name, name)
        return alias if name not in self._asked.tools and alias in self._asked.tools else name


def parser(asked: Asked) -> StateParser:
    """Return a parser of Laguna's answers."""
    return _Parser(asked, thinking=asked.thinks() and not (asked.prefill or asked.prefill_thinking))


def poolside_parser(asked: Asked) -> StateParser:
    """Return a parser of the answers of Poolside's first models, which begin anew whatever was said."""
    return _Parser(asked, thinking=asked.thinks())
