"""Questions for the evaluation alone, in wordings that were written without sight of those for training.

They tell more than the held-out wordings of ``content/*.txt``, which those who wrote the training wordings had read.
"""

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cria.data.knowledge.asking import user
from cria.data.knowledge.held_out import normal
from cria.data.knowledge.topics import LANGUAGES, Language, Topic, load
from cria.examples import Case, Example, Split

_QUESTIONS = Path(__file__).parent / "fresh_questions.txt"


@cache
def wordings() -> tuple[tuple[Topic, Language, str], ...]:
    """Every wording with its topic and language, but those that training happens to have word for word."""
    found: list[tuple[Topic, Language, str]] = []
    topic = None
    for line in _QUESTIONS.read_text(encoding="utf-8").splitlines()[1:]:
        mark, _, rest = line.partition(" ")
        if mark == "#":
            field, _, name = rest.partition("/")
            topic = next(topic for topic in load(field) if topic.id == name)
        for language in LANGUAGES:
            if topic and mark == f"{language}:":
                known = {normal(question) for question in topic.side(language).questions}
                found += [(topic, language, text) for text in rest.split(" | ") if normal(text) not in known]
    return tuple(found)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless test cases with the words that the answer must have; nothing for training."""
    while split == "test":
        topic, language, text = rng.choice(wordings())
        kind = f"fresh/{language}"
        yield Case(Example((user(text),), kind=kind), list(topic.side(language).keys), "contains", kind)
