"""LFM2, with and without thinking."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from puna.inference.families.dialogue import Dialogue, Turn, contents, spaced_plain, split_system, thinks
from puna.inference.families.qwen_text import END, START

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
        tools = ", ".join(spaced_plain(function) for function in dialogue.functions)
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
