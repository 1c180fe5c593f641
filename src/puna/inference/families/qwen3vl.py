"""Qwen 3-VL, with and without thinking."""

from functools import partial

from puna.inference.families.dialogue import Dialogue, contents, ends_run, spaced, starts_run, thinks
from puna.inference.families.parsing import Asked, TagParser
from puna.inference.families.qwen_text import END, START, json_parser, last_question

_TOOLS = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_HOW_TO_CALL = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n'
    f"</tool_call>{END}\n"
)


def _render(dialogue: Dialogue, *, thinking: bool) -> str:
    """Return the prompt; ``thinking`` is what the model does if the request is silent."""
    turns, texts = dialogue.turns, contents(dialogue.turns)
    think = thinks(dialogue.think, thinking)
    system = turns[0].content if turns and turns[0].role == "system" else None
    parts = []
    if dialogue.tools:
        parts.append(f"{START}system\n" + (f"{system}\n\n" if system is not None else "") + _TOOLS)
        parts += [f"\n{spaced(tool)}" for tool in dialogue.documents]
        parts.append(_HOW_TO_CALL)
    elif system is not None:
        parts.append(f"{START}system\n{system}{END}\n")
    question = last_question(turns, texts)
    for index, (turn, text) in enumerate(zip(turns, texts, strict=True)):
        last = index == len(turns) - 1
        prefill = last and turn.role == "assistant"
        if turn.role == "user" or (turn.role == "system" and index):
            parts.append(f"{START}{turn.role}\n{text}{END}\n")
        elif turn.role == "assistant":
            parts.append(f"{START}assistant\n")
            if think and index > question and (last or turn.thinking):
                thought = turn.thinking.strip("\n")
                parts.append(f"<think>\n{thought}" + ("\n</think>\n\n" + text.lstrip("\n") if text else ""))
            else:
                parts.append(text)
            for order, call in enumerate(turn.calls):
                parts.append("\n" if order or text else "")
                arguments = spaced(call.arguments)
                parts.append(f'<tool_call>\n{{"name": "{call.name}", "arguments": {arguments}}}\n</tool_call>')
            parts.append("" if prefill else f"{END}\n")
        elif turn.role == "tool":
            parts.append(f"{START}user" if starts_run(turns, index) else "")
            parts.append(f"\n<tool_response>\n{text}\n</tool_response>")
            parts.append(f"{END}\n" if ends_run(turns, index) else "")
        if last and not prefill:
            parts.append(f"{START}assistant\n" + ("<think>\n" if think else ""))
    return "".join(parts)


instruct = partial(_render, thinking=False)
thinking = partial(_render, thinking=True)


def instruct_parser(_: Asked) -> TagParser:
    """Return a parser of the answers of the model that does not think."""
    return json_parser(thinking=False, opens=False)


def thinking_parser(asked: Asked) -> TagParser:
    """Return a parser of the answers of the model that always thinks."""
    return json_parser(thinking=not asked.prefill, opens=False)
