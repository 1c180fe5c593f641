"""Common questions: science, computing, history, geography and daily life."""

import random
from collections.abc import Iterator
from functools import cache

from cria.data.knowledge import unknown
from cria.data.knowledge.asking import question_item
from cria.data.knowledge.capitals import capitals
from cria.data.knowledge.topics import LANGUAGES, Topic, load
from cria.examples import Case, Example, Split

FIELDS = ("science", "geography", "computing", "history", "daily")

CAPITAL_SHARE = 0.1

UNKNOWN_SHARE = 0.15
"""Training mixes in questions that have no taught answer, so that the model learns where its knowledge ends."""


@cache
def topics() -> tuple[Topic, ...]:
    """All common topics but the capitals."""
    return tuple(topic for field in FIELDS for topic in load(field))


def pick(rng: random.Random) -> Topic:
    """A topic; capitals are many but easy, so they come less often."""
    return rng.choice(capitals() if rng.random() < CAPITAL_SHARE else topics())


def question_answers() -> list[tuple[str, str, str]]:
    """(language, first wording, answer) of every common question and capital."""
    sides = [(language, topic.side(language)) for topic in (*topics(), *capitals()) for language in LANGUAGES]
    return [(language, side.questions[0], side.answer) for language, side in sides]


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Single questions with their answers; in test held-out wordings with the words the answer must have."""
    outside = unknown.generate(rng, split)
    while True:
        if split == "train" and rng.random() < UNKNOWN_SHARE:
            yield next(outside)
        language = rng.choice(LANGUAGES)
        yield question_item(rng, pick(rng).side(language), language, split, f"qa/{language}")
