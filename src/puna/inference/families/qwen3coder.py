"""Qwen 3 Coder."""

from puna.inference.families.dialogue import Dialogue, ends_run, first_system, starts_run
from puna.inference.families.parsing import Asked, TagParser
from puna.inference.families.qwen_text import END, HOW_TO_CALL, START, call_text, function_text, tagged_parser

_DEFAULT_SYSTEM = "You are Qwen, a helpful AI assistant that can interact with a computer to solve tasks."


def render(dialogue: Dialogue) -> str:
    """Return the prompt. The first system message stands at the beginning; the model does not think."""
    said = [turn for turn in dialogue.turns if turn.content or turn.role != "system"]
    first, turns = first_system(said)
    system = first.content if first else ""
    parts = []
    if system or dialogue.tools:
        parts.append(f"{START}system\n{system or _DEFAULT_SYSTEM}")
        if dialogue.tools:
            functions = "".join(f"\n{function_text(function)}" for function in dialogue.functions)
            parts.append(
                "\n\n# Tools\n\nYou have access to the following functions:\n\n"
                f"<tools>{functions}\n</tools>\n\n{HOW_TO_CALL}"
            )
        parts.append(f"{END}\n")
    for index, turn in enumerate(turns):
        last = index == len(turns) - 1
        prefill = last and turn.role == "assistant"
        if turn.role == "assistant" and turn.calls:
            parts.append(f"{START}assistant\n" + (f"{turn.content}\n" if turn.content else ""))
            parts += [f"\n{call_text(call)}" for call in turn.calls]
            parts.append(f"{END}\n")
        elif turn.role == "assistant":
            parts.append(f"{START}assistant\n{turn.content}" + ("" if prefill else f"{END}\n"))
        elif turn.role == "tool":
            parts.append(f"{START}user" if starts_run(turns, index) else "")
            parts.append(f"\n<tool_response>\n{turn.content}\n</tool_response>")
            parts.append(f"{END}\n" if ends_run(turns, index) else "")
        else:
            parts.append(f"{START}{turn.role}\n{turn.content}{END}\n")
        if last and not prefill:
            parts.append(f"{START}assistant\n")
    return "".join(parts)


def parser(asked: Asked) -> TagParser:
    """Return a parser of its answers."""
    return tagged_parser(asked, thinking=False)
