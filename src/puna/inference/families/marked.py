"""Calls in JSON behind a mark, as templates inside GGUF files have them: one after another, or as a list.

None of these has a name in Ollama. What each looks like is known from what such templates write of a call.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from puna.inference.families.ministral import ARGS, CALL_ID, CALLS
from puna.inference.families.parsing import Asked, StateParser
from puna.inference.format.arguments import Writing
from puna.inference.format.calls import ARGUMENTS, FIRST, GAP, ID, NAME, NUMBER, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.calls import arguments_in, arguments_of, written_object

Call = tuple[str, Mapping[str, Any]]
Read = Callable[[str, dict[str, Any]], Call | None]
_NAMES = ("name", "tool_name")


def _named(_: str, value: dict[str, Any]) -> Call | None:
    name = next((value[key] for key in _NAMES if key in value), None)
    arguments = arguments_of(value)
    return (name, arguments) if isinstance(name, str) and name and arguments is not None else None


def _by_key(_: str, value: dict[str, Any]) -> Call | None:
    [(name, value_of), *more] = value.items() if value else [("", None)]
    arguments = arguments_in(value_of)
    return (name, arguments) if name and arguments is not None and not more else None


def _before(pattern: str) -> Read:
    """Return what reads a call whose name stands before its arguments."""
    compiled = re.compile(pattern, re.DOTALL)

    def read(header: str, value: dict[str, Any]) -> Call | None:
        match = compiled.fullmatch(header)
        return (match[1], value) if match else None

    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a format marks calls: ``mark`` stands before the first, and ``again`` before others.

    ``head`` is what may stand from there to the object; of each text that it allows it allows every beginning. ``gaps``
    may stand between calls, and behind one of ``ends`` is text again.
    """

    mark: str
    read: Read = _named
    head: str = r"[\s\[]*"
    again: str = "{"
    gaps: tuple[str, ...] = (",",)
    ends: tuple[str, ...] = ("]",)


class _Parser(StateParser):
    def __init__(self, form: Form) -> None:
        super().__init__(self._content)
        self._form, self._head_form = form, re.compile(form.head, re.DOTALL)
        self._said = self._header = ""

    def _content(self) -> bool:
        mark = self._up_to([self._form.mark], trim_end=False)
        self._said = self._trimmed + mark
        return bool(mark) and self._go(self._head)

    def _head(self) -> bool:
        self._header, brace, _ = self._text.partition("{")
        if not self._head_form.fullmatch(self._header) or (self._ended and not brace):
            self._say(self._said)
            return self._go(self._content)
        if not brace:
            return False
        self._text = self._text[len(self._header) :]
        return self._go_to_object(self._object)

    def _object(self) -> bool:
        end = self._object_end()
        if end is None and not self._ended:
            return False
        at = len(self._text) if end is None else end
        raw, self._text = self._text[:at], self._text[at:]
        value = written_object(raw)
        call = None if value is None else self._form.read(self._header, value)
        if call:
            self._call(*call)
        else:
            self._keep(self._said + self._header + raw)
        return self._go(self._after)

    def _after(self) -> bool:
        form, self._text = self._form, self._text.lstrip()
        for marks, then in ((form.ends, self._content), (form.gaps, self._after), ((form.again,), self._head)):
            for mark in marks:
                if self._text.startswith(mark):
                    is_object = mark == "{"
                    self._said = "" if is_object else mark
                    self._text = self._text if is_object else self._text[len(mark) :]
                    return self._then_space(then) if then == self._content else self._go(then)
                if mark.startswith(self._text):
                    self._text = "" if self._ended else self._text
                    return False
        return self._go(self._content)


def parser(form: Form) -> Callable[[Asked], StateParser]:
    """Return what makes parsers of answers in a form."""
    return lambda _: _Parser(form)


def _object(name: str = "name", arguments: str = "arguments", more: str = "") -> str:
    return f'{{{GAP}"{name}":{GAP}"{NAME}"{GAP},{GAP}"{arguments}":{GAP}{ARGUMENTS}{more}{GAP}}}'


def _writing(*never: str) -> Writing:
    return Writing(Notation(never=never))


def _listed(mark: str, end: str = "", call: str = "", *, before: str = "") -> CallShape:
    return CallShape(
        call or _object(),
        _writing(*filter(None, [end])),
        begin=f"{mark}{before}{GAP}[{GAP}",
        between=f"{GAP},{GAP}",
        end=f"{GAP}]{GAP}{end}" if end else f"{GAP}]",
        quoted=True,
    )


MISTRAL = Form(mark=CALLS)
MISTRAL_CALLS = _listed(CALLS, call=_object(more=f'{GAP},{GAP}"id":{GAP}"{ID}"'))

APRIEL = Form(mark="<tool_calls>", gaps=(",", "]"), ends=("</tool_calls>",))
APRIEL_CALLS = _listed("<tool_calls>", "</tool_calls>")
MINIMAX_M1_CALLS = CallShape(
    _object(), _writing("</tool_calls>"), begin="<tool_calls>\n", between="\n", end="\n</tool_calls>", quoted=True
)

NEMOTRON = Form(mark="<TOOLCALL>", gaps=(",", "]"), ends=("</TOOLCALL>",))
NEMOTRON_CALLS = _listed("<TOOLCALL>", "</TOOLCALL>")

NEMOTRON_MINI = Form(mark="<toolcall>", head=r"\s*", gaps=(), ends=("</toolcall>",))
NEMOTRON_MINI_CALLS = CallShape(
    f"<toolcall>{GAP}{_object()}{GAP}</toolcall>", _writing("</toolcall>"), between=" ", quoted=True
)

FIREFUNCTION = Form(mark="functools[", head=r"\s*")
FIREFUNCTION_CALLS = CallShape(_object(), begin=f"functools[{GAP}", between=f"{GAP},{GAP}", end=f"{GAP}]", quoted=True)

APERTUS = Form(mark="<|tools_prefix|>", read=_by_key, gaps=(",", "]"), ends=("<|tools_suffix|>",))
APERTUS_CALLS = _listed("<|tools_prefix|>", "<|tools_suffix|>", f'{{{GAP}"{NAME}":{GAP}{ARGUMENTS}{GAP}}}')

GRANITE = Form(mark="<|tool_call|>")
GRANITE_CALLS = _listed("<|tool_call|>")

PHI4 = Form(mark="<|tool_call|>", gaps=(",", "]"), ends=("<|/tool_call|>",))
PHI4_CALLS = CallShape(f"<|tool_call|>{GAP}{_object()}{GAP}<|/tool_call|>", _writing("<|/tool_call|>"), quoted=True)
PHI4_LIST = _listed("<|tool_call|>", "<|/tool_call|>")

COMMAND_R = Form(mark="Action:", head=r"\s*(?:`{1,2}|```(?:j|js|jso|json)?[\s\[]*)?", gaps=(",", "]"), ends=("```",))
COMMAND_R_CALLS = _listed("Action:", "```", _object("tool_name", "parameters"), before=f"{GAP}```json")

GRANITE_20B = Form(mark="<function_call>", head=r"\s*", again="<function_call>", gaps=(), ends=())
GRANITE_20B_CALLS = CallShape(f"<function_call>{GAP}{_object()}", quoted=True)

INTERN = Form(mark="<|action_start|><|plugin|>", head=r"\s*", gaps=(), ends=("<|action_end|>",))
INTERN_CALLS = CallShape(
    f"<|action_start|><|plugin|>{GAP}{_object('name', 'parameters')}{GAP}<|action_end|>",
    _writing("<|action_end|>"),
    between="",
    quoted=True,
)
INTERN_MARKS = ("<|action_start|>", "<|plugin|>", "<|action_end|>")

LONGCAT = Form(mark="<longcat_tool_call>", head=r"\s*", gaps=(), ends=("</longcat_tool_call>",))
LONGCAT_CALLS = CallShape(
    f"<longcat_tool_call>{GAP}{_object()}{GAP}</longcat_tool_call>", _writing("</longcat_tool_call>"), quoted=True
)

GIGACHAT = Form(mark="<|function_call|>", head=r"\s*", ends=())
GIGACHAT_CALLS = CallShape(f"<|function_call|>{_object()}", between=None, quoted=True)
GIGACHAT_TURN = Form(mark="function call<|role_sep|>", head=r"\s*", ends=())
GIGACHAT_TURN_CALLS = CallShape(f"function call<|role_sep|>\n{_object()}", between=None, quoted=True)

MISTRAL_SMALL_CALLS = CallShape(
    f"{CALLS}{NAME}{CALL_ID}{ID}{ARGS}{ARGUMENTS}", names=r"[^\s\[\]](?:[^\[\]]*[^\s\[\]])?"
)

_KIMI_CALL, _KIMI_END = "<|tool_call_begin|>", "<|tool_call_end|>"
_KIMI_ARGUMENTS = "<|tool_call_argument_begin|>"
_KIMI_SECTION, _KIMI_SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
KIMI = Form(
    mark=_KIMI_SECTION,
    read=_before(
        rf"\s*(?:{re.escape(_KIMI_CALL)})?\s*(?:functions\.)?(.+?)(?::\d+)?\s*{re.escape(_KIMI_ARGUMENTS)}\s*"
    ),
    head="[^{]*",
    again=_KIMI_CALL,
    gaps=(_KIMI_END,),
    ends=(_KIMI_SECTION_END,),
)
KIMI_CALLS = CallShape(
    f"{_KIMI_CALL}functions.{NAME}:{NUMBER}{_KIMI_ARGUMENTS}{ARGUMENTS}{_KIMI_END}",
    _writing(_KIMI_END),
    begin=_KIMI_SECTION,
    between="",
    end=_KIMI_SECTION_END,
)
KIMI_MARKS = (_KIMI_SECTION, _KIMI_SECTION_END, _KIMI_CALL, _KIMI_ARGUMENTS, _KIMI_END)

_SOLAR_CALL, _SOLAR_NAME, _SOLAR_END = "<|tool_call:begin|>", "<|tool_call:name|>", "<|tool_call:end|>"
_SOLAR_ARGUMENTS = "<|tool_call:args|>"
SOLAR = Form(
    mark="<|tool_calls|>",
    read=_before(rf".*{re.escape(_SOLAR_NAME)}\s*(.+?)\s*{re.escape(_SOLAR_ARGUMENTS)}\s*"),
    head="[^{]*",
    again=_SOLAR_CALL,
    gaps=(_SOLAR_END,),
    ends=("<|calls|>",),
)
SOLAR_CALLS = CallShape(
    f"{_SOLAR_CALL}{ID}{_SOLAR_NAME}{NAME}{_SOLAR_ARGUMENTS}{ARGUMENTS}{_SOLAR_END}",
    _writing(_SOLAR_END),
    begin="<|tool_calls|>",
    between="",
)
SOLAR_MARKS = ("<|tool_calls|>", _SOLAR_CALL, _SOLAR_NAME, _SOLAR_ARGUMENTS, _SOLAR_END, "<|calls|>")

FUNCTIONARY = Form(
    mark="<function=",
    read=_before(r"([^<>]+)>\s*"),
    head=r"[^{}<>]*(?:>\s*)?",
    again="<function=",
    gaps=(),
    ends=("</function>",),
)
FUNCTIONARY_CALLS = CallShape(f"<function={NAME}>{ARGUMENTS}</function>", _writing("</function>"), between="")

LLAMA_CALL = f'{FIRST}{{"name": "{NAME}",{GAP}"parameters":{GAP}{ARGUMENTS}{GAP}}}'
XLAM_CALLS = CallShape(
    f'{{"name": "{NAME}",{GAP}"arguments":{GAP}{ARGUMENTS}{GAP}}}',
    begin=f"{FIRST}[",
    between=f",{GAP}",
    end=f"{GAP}]",
    quoted=True,
)
