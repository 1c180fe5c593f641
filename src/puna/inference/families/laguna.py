"""Laguna: its second template, and its eighth, which Poolside's first models have."""

from collections.abc import Mapping

from puna.inference.families.dialogue import Dialogue, argument_text, spaced, thinks
from puna.inference.families.glm import arguments_text

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
