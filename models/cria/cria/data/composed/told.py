"""What people tell of themselves and ask for later, read from ``told/*.txt``; the values are filled in at random.

A block begins with ``name(slot, …)``, with slots as scenes have them. ``en:`` and ``zh:`` tell it, with all slots;
``en? slot:`` and ``zh? slot:`` ask for one of them, followed by answers after ``||``, which name it and perhaps others.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cria.data.composed import scene, wordlists
from cria.data.composed.scene import MEANWHILE, Slot

FOLDER = Path(__file__).with_name("told")
HEAD = re.compile(r"(\w+)\((.*)\)")
ASKED = re.compile(r"(en|zh)\? (\w+)")


@dataclass(frozen=True)
class Question:
    """A question for a slot, and what answers it."""

    slot: str
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """Something that people tell, by language: ways to tell it, and questions for what was told."""

    name: str
    slots: tuple[Slot, ...]
    tell: Mapping[str, tuple[str, ...]]
    ask: Mapping[str, tuple[Question, ...]]


@cache
def facts() -> tuple[Fact, ...]:
    """All facts, in the order of the files; raises ``ValueError`` for a line that cannot be read."""
    return tuple(_fact(block) for text in wordlists.texts(FOLDER) for block in text.split("\n\n"))


def _fact(block: str) -> Fact:
    head, *lines = block.splitlines()
    read = HEAD.fullmatch(head)
    if read is None:
        raise ValueError(f"no fact: {head!r}")
    tell: defaultdict[str, list[str]] = defaultdict(list)
    ask: defaultdict[str, list[Question]] = defaultdict(list)
    for line in lines:
        manner, text = line.split(": ", 1)
        if found := ASKED.fullmatch(manner):
            question, *answers = text.split(f" {MEANWHILE} ")
            ask[found[1]].append(Question(found[2], question, tuple(answers)))
        elif manner in ("en", "zh"):
            tell[manner].append(text)
        else:
            raise ValueError(f"{read[1]} has a line of {manner!r}")
    said = {language: tuple(texts) for language, texts in tell.items()}
    asked = {language: tuple(questions) for language, questions in ask.items()}
    return Fact(read[1], scene.slots(read[2]), said, asked)
