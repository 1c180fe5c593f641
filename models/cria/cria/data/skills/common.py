"""What every generator ends with: the conversation as a training example, or as a test case with its answer held back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cria.data.skills.words import Draw, draw
from cria.examples import Case, Check, Example, Message, Split

Makers = tuple[tuple[float, Callable[[Draw], Example | Case]], ...]
"""What makes the kinds of a generator, each with its share."""


def user(content: str) -> Message:
    return {"role": "user", "content": content}


def assistant(content: str, reasoning: str = "") -> Message:
    message: Message = {"role": "assistant", "content": content}
    if reasoning:
        message["reasoning"] = reasoning
    return message


def system(content: str) -> Message:
    return {"role": "system", "content": content}


def finish(
    split: Split,
    messages: Sequence[Message],
    kind: str,
    *,
    check: Check = "exact",
    expected: Any = None,
    tools: Sequence[dict[str, Any]] = (),
    thinking: bool = False,
) -> Example | Case:
    """The example for training; for the test the conversation up to its last answer, and what that must be.

    `expected` None with the check "exact" stands for the last answer itself.
    """
    if split == "train":
        return Example(tuple(messages), tuple(tools), thinking, kind)
    if expected is None and check == "exact":
        expected = messages[-1]["content"]
    return Case(Example(tuple(messages[:-1]), tuple(tools), thinking, kind), expected, check, kind)


def endless(rng: random.Random, split: Split, makers: Makers) -> Iterator[Example | Case]:
    """Conversations of every kind by its share, half of them Chinese, without end."""
    shares = [share for share, _ in makers]
    while True:
        yield rng.choices([make for _, make in makers], shares)[0](draw(rng, split, 0.5))
