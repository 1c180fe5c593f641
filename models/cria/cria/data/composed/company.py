"""Small talk about the one who talks: their day, their name, their dog, read from ``talk/*.txt``.

A block begins with ``name(slot, …)``, with slots as scenes have them. ``en:`` and ``zh:`` have remarks and, after ``||``,
replies that fit each of them; ``?`` and ``?zh`` questions for what was told, and their answers.
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cria.data.composed import scene, wordlists
from cria.data.composed.grammar import fill, with_articles
from cria.data.composed.scene import MEANWHILE, Slot
from cria.data.knowledge import common, puna
from cria.data.knowledge.asking import ask
from cria.data.knowledge.unknown import unknown_question
from cria.data.skills.common import assistant, finish, user
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

FOLDER = Path(__file__).with_name("talk")
HEAD = re.compile(r"\w+\((.*)\)")
MANNERS = {"en:": ("en", False), "zh:": ("zh", False), "?": ("en", True), "?zh": ("zh", True)}


@dataclass(frozen=True)
class Exchange:
    """What may be said, in several ways, and replies of which each fits."""

    said: tuple[str, ...]
    replies: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """Something that people say of themselves, and what they may ask of it later, by language."""

    slots: tuple[Slot, ...]
    told: Mapping[str, Exchange]
    asked: Mapping[str, Exchange]


@cache
def subjects() -> tuple[Subject, ...]:
    """All subjects, in the order of the files; raises ``ValueError`` for a line that cannot be read."""
    return tuple(_subject(block) for text in wordlists.texts(FOLDER) for block in text.split("\n\n"))


def _subject(block: str) -> Subject:
    head, *lines = block.splitlines()
    read = HEAD.fullmatch(head)
    if read is None:
        raise ValueError(f"no subject: {head!r}")
    told: dict[str, Exchange] = {}
    asked: dict[str, Exchange] = {}
    for line in lines:
        manner, text = line.split(" ", 1)
        if manner not in MANNERS:
            raise ValueError(f"{head} has a line of {manner!r}")
        language, later = MANNERS[manner]
        said, replies = (tuple(part.split(" | ")) for part in text.split(f" {MEANWHILE} "))
        (asked if later else told)[language] = Exchange(said, replies)
    return Subject(scene.slots(read[1]), told, asked)


def _typed(d: Draw, text: str) -> str:
    """A remark as people type it: with or without a capital and a mark at its end."""
    text = text[:1].upper() + text[1:] if d.chance(0.5) else text
    if text[-1] in "?？!！.。":
        return text.rstrip("?？.。") if d.chance(0.25) else text
    return text + (d.pick("。！") if d.zh else d.pick(".!")) if d.chance(0.35) else text


def _filled(d: Draw, text: str, slots: Mapping[str, str]) -> str:
    text = fill(text, slots)
    return text if d.zh else with_articles(text)


def _exchanged(d: Draw, exchange: Exchange, slots: Mapping[str, str]) -> list[Message]:
    said, reply = (_filled(d, d.pick(texts), slots) for texts in (exchange.said, exchange.replies))
    return [user(_typed(d, said)), assistant(reply[:1].upper() + reply[1:])]


def remark(d: Draw) -> list[Message]:
    """Something that somebody says of themselves, and a reply."""
    subject = d.pick(subjects())
    slots = {slot.name: scene.value(d, slot, scene.choices(d, slot))[0] for slot in subject.slots}
    return _exchanged(d, subject.told["zh" if d.zh else "en"], slots)


def _between(d: Draw) -> list[Message]:
    """A question about the world: one that is known, or one that is not."""
    language = "zh" if d.zh else "en"
    if d.chance(0.35):
        wording, answer = unknown_question(d.rng, language, d.split)
        return [user(wording), assistant(answer)]
    topic = common.pick(d.rng) if d.chance(0.7) else d.rng.choice(puna.topics())
    side = topic.side(language)
    return [ask(d.rng, side, language, d.split), assistant(side.any_answer(d.rng))]


def conversation(d: Draw) -> Example | Case:
    """Remarks of one person, with questions between them, and perhaps a question for what was told."""
    language = "zh" if d.zh else "en"
    messages: list[Message] = []
    later: list[list[Message]] = []
    for subject in d.rng.sample(subjects(), d.pick((1, 1, 2, 3, 4))):
        slots = {slot.name: scene.value(d, slot, scene.choices(d, slot))[0] for slot in subject.slots}
        messages += _exchanged(d, subject.told[language], slots)
        if language in subject.asked:
            later.append(_exchanged(d, subject.asked[language], slots))
        if d.chance(0.3):
            messages += _between(d)
    d.rng.shuffle(later)
    for question in later:
        if d.chance(0.7):
            messages += question
    return finish(d.split, messages, f"company/{language}")


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations, half of them Chinese."""
    while True:
        yield conversation(draw(rng, split, 0.5))
