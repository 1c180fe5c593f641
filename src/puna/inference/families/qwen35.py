"""Qwen 3.5 and 3.8, and Ornith, which speaks like them."""

from collections.abc import Sequence
from functools import partial

from puna.inference.families.dialogue import (
    CannotRenderError,
    Dialogue,
    Think,
    Turn,
    contents,
    ends_run,
    spaced,
    starts_run,
    thinks,
)
from puna.inference.families.parsing import Asked, TagParser
from puna.inference.families.qwen_text import END, HOW_TO_CALL, START, call_text, last_question, tagged_parser

_OPEN, _CLOSE = "<think>", "</think>"
_THOROUGH = (
    "Reasoning effort is set to xhigh. Please think carefully through the task, validate key assumptions, consider "
    "plausible alternatives, and prioritize correctness, consistency, and clarity in the final answer."
)
_BRIEF = (
    "Reasoning effort is set to low. Keep your thinking brief and focused, moving directly to the conclusion without "
    "unnecessary elaboration."
)
_INSTRUCTIONS = ("system", "developer")


def _effort(think: Think) -> str:
    """Return what Qwen 3.8 is told of how much to think."""
    match think:
        case None | "high" | "max":
            return _THOROUGH
        case "low":
            return _BRIEF
        case _:
            return ""


def _one_system(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns with all instructions in one system message at the beginning, as Qwen 3.8 wants it."""
    said = [turn for turn in turns if turn.role in _INSTRUCTIONS]
    if any(turn.images for turn in said):
        raise CannotRenderError("a system message cannot have images")
    if not said or (len(said) == 1 and turns[0].role == "system"):
        return turns
    system = "\n\n".join(text for turn in said if (text := turn.content.strip()))
    return [Turn(role="system", content=system), *(turn for turn in turns if turn.role not in _INSTRUCTIONS)]


def _thoughts(turn: Turn, text: str, *, shown: bool, tagged: bool) -> tuple[str, str]:
    """Return what an answer of the past thought, and the rest of it."""
    if shown and turn.thinking:
        return turn.thinking.strip(), text
    before, mark, after = text.partition(_CLOSE)
    if not tagged or not mark:
        return "", text
    return before.rpartition(_OPEN)[2].strip(), after.lstrip("\n")


def _render(dialogue: Dialogue, *, keeps_thoughts: bool = False, one_system: bool = False) -> str:
    """Return the prompt.

    ``keeps_thoughts`` shows those of all past answers; ``one_system`` is Qwen 3.8's way with instructions.
    """
    turns = _one_system(dialogue.turns) if one_system else dialogue.turns
    texts = [text.strip() for text in contents(turns)]
    think = thinks(dialogue.think, True)
    effort = _effort(dialogue.think) if one_system else ""
    question = last_question(turns, texts)
    parts = [_head(dialogue, turns, texts, effort, one_system)]
    for index, (turn, text) in enumerate(zip(turns, texts, strict=True)):
        last = index == len(turns) - 1
        prefill = last and turn.role == "assistant"
        if turn.role == "user" or (turn.role == "system" and index):
            parts.append(f"{START}{turn.role}\n{text}{END}\n")
        elif turn.role == "assistant":
            shown = keeps_thoughts or (think and index > question)
            thought, said = _thoughts(turn, text, shown=shown, tagged=not one_system)
            parts.append(f"{START}assistant\n" + (f"{_OPEN}\n{thought}\n{_CLOSE}\n\n" if shown else "") + said)
            for order, call in enumerate(turn.calls):
                parts.append(("\n" if order else "\n\n" if said.strip() else "") + call_text(call))
            parts.append("" if prefill else f"{END}\n")
        elif turn.role == "tool":
            parts.append(f"{START}user" if starts_run(turns, index) else "")
            parts.append(f"\n<tool_response>\n{text}\n</tool_response>")
            parts.append(f"{END}\n" if ends_run(turns, index) else "")
        elif one_system and turn.role != "system":
            parts.append(f"{START}{turn.role}\n{text}{END}\n")
        if last and not prefill:
            parts.append(f"{START}assistant\n{_OPEN}\n" + ("" if think else f"\n{_CLOSE}\n\n"))
    return "".join(parts)


def _head(dialogue: Dialogue, turns: Sequence[Turn], texts: Sequence[str], effort: str, one_system: bool) -> str:
    system = texts[0] if turns and turns[0].role == "system" else None
    if dialogue.tools:
        tools = "".join(f"\n{spaced(tool)}" for tool in dialogue.documents)
        head = (
            (f"{effort}\n\n" if effort else "")
            + f"# Tools\n\nYou have access to the following functions:\n\n<tools>{tools}\n</tools>\n\n{HOW_TO_CALL}"
            + (f"\n\n{system}" if system else "")
        )
    else:
        head = "\n\n".join(part for part in (effort, system) if part)
        if not head and (system is None or one_system):
            return ""
    return f"{START}system\n{head}{END}\n"


qwen35 = _render
qwen38 = partial(_render, keeps_thoughts=True, one_system=True)
ornith = partial(_render, keeps_thoughts=True)


def parser(asked: Asked) -> TagParser:
    """Return a parser of its answers."""
    return tagged_parser(asked, thinking=asked.thinks(True) and not asked.prefill)
