"""The chat format: how conversations become text, and which parts of that text are learned.

``chat_template.jinja`` says the same to llama.cpp; ``cria.parity`` compares the two.
"""

import json
import re
from typing import Any, NamedTuple

from cria.examples import Example, Fim, Item, Message, Text, ToolCall

END_OF_TEXT = "<|endoftext|>"
START = "<|im_start|>"
END = "<|im_end|>"
FIM_PREFIX = "<|fim_prefix|>"
FIM_SUFFIX = "<|fim_suffix|>"
FIM_MIDDLE = "<|fim_middle|>"
THINK = "<think>"
THINK_END = "</think>"
TOOL_CALL = "<tool_call>"
TOOL_CALL_END = "</tool_call>"

CONTROL_TOKENS = (END_OF_TEXT, START, END, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)
MARKUP_TOKENS = (THINK, THINK_END, TOOL_CALL, TOOL_CALL_END)

TOOLS_HEADING = "Tools:"


FORCED = re.compile(r'\{"?')
"""How an object begins that a grammar forces: not learned, or every sentence would be answered with an object.

What follows is learned, its keys too: they are forced as well, but not the tokens that they are cut into.
"""


class Span(NamedTuple):
    """A piece of text, whether it is learned, and the ranges of characters in it that are not all the same."""

    text: str
    learned: bool
    forced: tuple[tuple[int, int], ...] = ()


def compact_json(value: Any) -> str:
    """JSON without spaces and with every character as it is, the way the model reads and writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tools_block(tools: tuple[dict[str, Any], ...]) -> str:
    """The function definitions, one per line, as they stand in the system turn."""
    lines = [compact_json(tool["function"]) for tool in tools]
    return "\n".join([TOOLS_HEADING, *lines])


def tools_reminder(tools: tuple[dict[str, Any], ...]) -> str:
    """What follows every question where functions are offered: what each does, and then its name.

    Definitions stand before the question, so what is read there cannot depend on it. Here it can, and since a name
    comes after the words that say what it is for, it is known to fit or not from its first letter on.
    """
    functions = [tool["function"] for tool in tools]
    entries = (
        f" {function['description']}: {function['name']};" if function.get("description") else f" {function['name']};"
        for function in functions
    )
    return f"\n{TOOLS_HEADING}{''.join(entries)}" if functions else ""


def call_text(call: ToolCall) -> str:
    """One call as the model writes it."""
    body = compact_json({"name": call["name"], "arguments": call["arguments"]})
    return f"{TOOL_CALL}\n{body}\n{TOOL_CALL_END}"


def answer_text(message: Message, with_reasoning: bool) -> str:
    """What the model writes in an assistant turn, after the generation prompt and before the end marker.

    With reasoning the generation prompt has already opened the thought.
    """
    parts = [message["content"]] if message["content"] else []
    parts += [call_text(call) for call in message.get("tool_calls", [])]
    answer = "\n".join(parts)
    if with_reasoning:
        return f"{message.get('reasoning', '')}\n{THINK_END}\n\n{answer}"
    return answer


def generation_prompt(thinking: bool) -> str:
    """What opens the assistant's turn."""
    return f"{START}assistant\n{THINK}\n" if thinking else f"{START}assistant\n"


def _system_text(example: Example) -> str:
    first = example.messages[0] if example.messages else None
    system = first["content"] if first is not None and first["role"] == "system" else ""
    parts = [system] if system else []
    if example.tools:
        parts.append(tools_block(example.tools))
    return "\n\n".join(parts)


def _last_user(messages: tuple[Message, ...]) -> int:
    return max((i for i, message in enumerate(messages) if message["role"] == "user"), default=-1)


def conversation_spans(example: Example) -> list[Span]:
    """The text of a conversation in pieces; learned are the answers that the model itself would write."""
    system = _system_text(example)
    spans = [Span(f"{START}system\n{system}{END}\n", False)] if system else []
    last_user = _last_user(example.messages)
    for index, message in enumerate(example.messages):
        role = message["role"]
        if role == "system":
            continue
        if role != "assistant":
            reminder = tools_reminder(example.tools) if role == "user" else ""
            spans.append(Span(f"{START}{role}\n{message['content']}{reminder}{END}\n", False))
            continue
        thoughtful = example.thinking and index > last_user
        learned = thoughtful or not example.thinking
        spans.append(Span(generation_prompt(thoughtful), False))
        answer = answer_text(message, thoughtful)
        opening = FORCED.match(answer) if message.get("forced") else None
        forced = (opening.span(),) if opening else ()
        spans.append(Span(answer + END, learned, forced))
        spans.append(Span("\n", False))
    return spans


def spans(item: Item) -> list[Span]:
    """Any item as text, in the order the model reads it."""
    if isinstance(item, Example):
        return conversation_spans(item)
    if isinstance(item, Text):
        return [Span(item.text + END_OF_TEXT, True)]
    prompt = fim_prompt(item)
    return [Span(prompt, False), Span(item.middle + END_OF_TEXT, True)]


def fim_prompt(item: Fim) -> str:
    """The prompt that asks for a middle."""
    return f"{FIM_PREFIX}{item.prefix}{FIM_SUFFIX}{item.suffix}{FIM_MIDDLE}"


def chat_prompt(example: Example) -> str:
    """The prompt for the next answer of a conversation."""
    return "".join(span.text for span in conversation_spans(example)) + generation_prompt(example.thinking)
