"""The values that generators produce and that training and evaluation consume.

A generator is a function ``generate(rng, split)`` that yields training items for ever when ``split`` is
``"train"`` and test cases when it is ``"test"``; the words, names and values of the two are disjoint.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

Split = Literal["train", "test"]

Check = Literal[
    "tool_calls",  # expected: list of {"name", "arguments"}, in any order, nothing more and nothing less
    "none-called",  # no call; expected: None, or strings as in "contains"
    "json",  # the content is JSON equal to expected (keys in any order)
    "contains",  # expected: list; each entry is a string that must occur, or a list of which one must occur
    "exact",  # the content, stripped, equals expected
    "thinking",  # expected: whether a thought must come before the answer; the answer must not be empty
    "language",  # expected: "zh" or "en", the script of the answer
    "python",  # prefix + answer + suffix is run; expected: list of expressions that must be true
]


class ToolCall(TypedDict):
    """One call of a function, its arguments as plain JSON values."""

    name: str
    arguments: dict[str, Any]


class Message(TypedDict):
    """One turn. ``tool_calls`` and ``reasoning`` belong to the assistant, ``name`` to a tool's result.

    ``forced`` marks JSON whose form a grammar forces though nobody asked for it in words: its opening is not learned.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: NotRequired[list[ToolCall]]
    reasoning: NotRequired[str]
    name: NotRequired[str]
    forced: NotRequired[bool]


@dataclass(frozen=True)
class Example:
    """A conversation.

    Without ``thinking`` every assistant turn is learned and none may carry reasoning. With it only the turns
    after the last user turn are learned, each with its reasoning; earlier ones are shown without.
    ``tools`` are ``{"type": "function", "function": {"name", "description", "parameters"}}``.
    """

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    thinking: bool = False
    kind: str = ""


@dataclass(frozen=True)
class Text:
    """Plain text to continue; all of it is learned."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Fim:
    """Text with a hole: ``middle`` belongs between ``prefix`` and ``suffix``."""

    prefix: str
    suffix: str
    middle: str
    kind: str = ""


Item = Example | Text | Fim


@dataclass(frozen=True)
class Case:
    """A test question: ``prompt`` without its last answer (a ``Fim`` without its middle), and how to judge."""

    prompt: Item
    expected: Any
    check: Check
    kind: str = ""


Generator = Callable[[random.Random, Split], Iterator[Item | Case]]
