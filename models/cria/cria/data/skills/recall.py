"""Conversations in which something said earlier, or in the system prompt, is asked for again."""

from __future__ import annotations

import random
from collections.abc import Iterator

from cria.data.skills.common import assistant, finish, system, user
from cria.data.skills.recall_facts import FACTS, Fact
from cria.data.skills.smalltalk import chat, fact
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

ABOUT_EN = ("{}", "You are a helpful assistant. {}", "{} Be friendly.", "Facts: {}")
ABOUT_ZH = ("{}", "你是一个有用的助手。{}", "{}请友好地回答。", "信息：{}")
THINK = (("The user told me: {}.", "It was said earlier: {}."), ("用户说过：{}。", "前面提到过：{}。"))

LONG_SHARE = 0.2  # of the conversations: those in which 150 to 900 tokens of other talk stand before the question


def _question(d: Draw, item: Fact, held: bool) -> str:
    """A question for a fact; the last two wordings of each are held out of training."""
    asks = item.ask[1 if d.zh else 0]
    question = d.pick(asks[-2:] if held else asks[:-2])
    if d.chance(0.15):
        question = (question[:1].lower() + question[1:]).rstrip("?？。.")
    return question


def _filler(d: Draw, messages: list[Message], count: int) -> None:
    for _ in range(count):
        said, answer = chat(d) if d.chance(0.65) else fact(d)
        messages += [user(said), assistant(answer)]


def _long(d: Draw) -> int:
    """How many turns of other talk make a long conversation; most fit into the shorter rows of training."""
    return d.rng.randint(5, 13) if d.chance(0.65) else d.rng.randint(14, 32)


def conversation(d: Draw) -> Example | Case:
    """One to three facts, small talk between, and questions about them."""
    index = 1 if d.zh else 0
    count = d.pick((1, 1, 1, 2, 2, 3))
    facts: list[Fact] = []
    while len(facts) < count:
        item = d.pick(FACTS)
        if not any(item is other or item.answer == other.answer for other in facts):
            facts.append(item)
    values = [item.make(d) for item in facts]
    messages: list[Message] = []
    from_system = d.chance(0.2)
    if from_system:
        about = ("" if d.zh else " ").join(
            item.about[index].format(value) for item, value in zip(facts, values, strict=True)
        )
        messages.append(system(d.say(ABOUT_EN, ABOUT_ZH).format(about)))
    _filler(d, messages, d.pick((0, 0, 0, 1)))
    if not from_system and count > 1 and d.chance(0.25):
        told = ("" if d.zh else " ").join(
            d.pick(item.tell[index]).format(value) for item, value in zip(facts, values, strict=True)
        )
        messages += [user(told), assistant(d.say(("Okay, I'll remember that.",), ("好的，我记住了。",)))]
    elif not from_system:
        for item, value in zip(facts, values, strict=True):
            reply = d.pick(item.reply[index]).format(value)
            messages += [
                user(d.pick(item.tell[index]).format(value)),
                assistant(reply[:1].upper() + reply[1:]),
            ]
            _filler(d, messages, d.pick((0, 0, 1)))
    _filler(d, messages, _long(d) if d.chance(LONG_SHARE) else d.pick((0, 1, 1, 2, 3)))
    return _ask(d, messages, facts, values)


def _ask(d: Draw, messages: list[Message], facts: list[Fact], values: list[str]) -> Example | Case:
    index = 1 if d.zh else 0
    order = list(range(len(facts)))
    d.rng.shuffle(order)
    asked = order[: d.rng.randint(1, len(order))]
    thinking = d.chance(0.12)
    held = d.split == "test" and d.chance(0.3)
    kind = "recall/wording" if held else f"recall/{d.lang}"
    for turn in asked:
        answer = facts[turn].answer[index].format(values[turn])
        last = turn == asked[-1]
        thought = d.pick(THINK[index]).format(facts[turn].about[index].format(values[turn]).rstrip(".。"))
        messages += [
            user(_question(d, facts[turn], held)),
            assistant(answer, thought if thinking and last else ""),
        ]
    expected = [values[asked[-1]]]
    return finish(d.split, messages, kind, check="contains", expected=expected, thinking=thinking)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations that need a memory."""
    while True:
        yield conversation(draw(rng, split))
