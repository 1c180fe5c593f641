"""What a newcomer asks about Puna and about cria itself."""

import random
from collections.abc import Iterator

from cria.data.knowledge.asking import question_item
from cria.data.knowledge.topics import LANGUAGES, Topic, load
from cria.examples import Case, Example, Split


def topics() -> tuple[Topic, ...]:
    """All topics about Puna and cria."""
    return load("puna")


def question_answers() -> list[tuple[str, str, str]]:
    """(language, first wording, answer) of every question about Puna."""
    sides = [(language, topic.side(language)) for topic in topics() for language in LANGUAGES]
    return [(language, side.questions[0], side.answer) for language, side in sides]


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Single questions with their answers; in test held-out wordings with the words the answer must have."""
    while True:
        language = rng.choice(LANGUAGES)
        yield question_item(rng, rng.choice(topics()).side(language), language, split, f"puna/{language}")
