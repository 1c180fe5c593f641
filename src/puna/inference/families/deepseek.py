"""DeepSeek 3.1, and Cogito, which was trained on it."""

from puna.inference.families.dialogue import Dialogue, compact, ends_run, indented, split_system, starts_run, thinks

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
    """Return the prompt of Cogito."""
    first, turns = split_system(dialogue.turns)
    think = thinks(dialogue.think)
    system = first.content if first else ""
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
