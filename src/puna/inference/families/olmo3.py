"""OLMo 3 and 3.1, with and without thinking."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from puna.inference.families.dialogue import Dialogue, compact, first_system, spaced
from puna.inference.families.parsing import Asked, TagParser
from puna.inference.families.python_calls import NotACallError, read_calls
from puna.inference.families.qwen_text import END, START
from puna.inference.format.arguments import Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, NAME, CallShape
from puna.inference.format.notation import Notation

_OLMO = (
    "You are Olmo, a helpful AI assistant built by Ai2. Your date cutoff is December 2024, and your model weights are "
    "available at https://huggingface.co/allenai."
)
_CALLS_FUNCTIONS = "You are a helpful function-calling AI assistant. "
_NO_FUNCTIONS = "You do not currently have access to any functions. "
_FUNCTIONS = (
    "You are provided with function signatures within <functions></functions> XML tags. You may call one or more "
    "functions to assist with the user query. Output any function calls within <function_calls></function_calls> XML "
    "tags. Do not make assumptions about what values to plug into functions."
)


def _render(dialogue: Dialogue, *, introduction: str) -> str:
    """Return the prompt; ``introduction`` stands in for a system message. Of several the first has the functions."""
    system, turns = first_system(dialogue.turns)
    functions = f"<functions>{spaced(dialogue.documents)}</functions>" if dialogue.tools else ""
    if system:
        head = system.content + functions
    else:
        head = introduction + (_FUNCTIONS + functions if functions else f"{_NO_FUNCTIONS}<functions></functions>")
    parts = [f"{START}system\n{head}{END}\n"]
    for index, turn in enumerate(turns):
        if turn.role in ("user", "system"):
            parts.append(f"{START}{turn.role}\n{turn.content}{END}\n")
        elif turn.role == "assistant":
            parts.append(f"{START}assistant\n{turn.content}")
            if turn.calls:
                calls = (f"{call.name}({_arguments(call.arguments)})" for call in turn.calls)
                parts.append("<function_calls>{}</function_calls>".format("\n".join(calls)))
            parts.append(f"{END}\n" if turn.calls or index < len(turns) - 1 else "")
        elif turn.role == "tool":
            parts.append(f"{START}environment\n{turn.content}{END}\n")
    last = turns[-1] if turns else None
    if last is None or last.role != "assistant" or last.calls or not last.content:
        parts.append(f"{START}assistant\n")
    return "".join(parts)


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={compact(value)}" for name, value in sorted(arguments.items()))


def _thinking(dialogue: Dialogue, *, introduction: str) -> str:
    """Return the prompt of a model that always thinks, and calls no functions."""
    system, others = first_system(dialogue.turns)
    head = f"{system.content} {_NO_FUNCTIONS}<functions></functions>" if system else introduction
    turns = [turn for turn in others if turn.role in ("user", "assistant", "system")]
    said = "".join(f"{START}{turn.role}\n{turn.content}{END}\n" for turn in turns)
    return f"{START}system\n{head}{END}\n{said}{START}assistant\n<think>"


olmo3 = partial(_render, introduction=_CALLS_FUNCTIONS)
olmo31 = partial(_render, introduction=f"{_OLMO} ")
thinking = partial(_thinking, introduction=_OLMO)
thinking_32b = partial(_thinking, introduction="You are a helpful AI assistant.")


_NEVER = ("</function_calls>",)
CALLS = CallShape(
    f"{NAME}({ARGUMENTS})",
    Writing(
        Notation(never=_NEVER, lines=False),
        Pairs("", "=", "", separator=",", texts=Notation(escapes="python", never=_NEVER)),
    ),
    begin="<function_calls>",
    between="\n",
    end="</function_calls>",
    around="",
)


def _read(raw: str) -> list[tuple[str, dict[str, Any]]] | None:
    calls = []
    try:
        for line in filter(str.strip, raw.split("\n")):
            calls += read_calls(line)
    except NotACallError:
        return None
    return calls


def parser(_: Asked) -> TagParser:
    """Return a parser of the answers of the model that calls functions."""
    return TagParser(
        thinking=False,
        call="<function_calls>",
        call_end="</function_calls>",
        read=_read,
        trim=False,
        skip_after_call=False,
    )


def thinking_parser(asked: Asked) -> TagParser:
    """Return a parser of the answers of the model that always thinks."""
    return TagParser(thinking=not asked.prefill)
