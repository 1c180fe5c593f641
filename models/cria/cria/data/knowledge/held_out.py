"""The wordings kept for the test, so that no change of a training wording turns into one of them."""

import re
from functools import cache

from cria.data.knowledge.capitals import capitals
from cria.data.knowledge.topics import CONTENT, load


def normal(text: str) -> str:
    """The text without capitals, spaces and punctuation."""
    return re.sub(r"[\s?？.。!！,，:：~～]", "", text.lower())


@cache
def _held_out() -> frozenset[str]:
    fields = sorted(path.stem for path in CONTENT.glob("*.txt"))
    topics = [*capitals(), *(topic for field in fields for topic in load(field))]
    return frozenset(normal(wording) for topic in topics for side in (topic.en, topic.zh) for wording in side.held_out)


def is_held_out(text: str) -> bool:
    """Whether the text is, but for capitals, spaces and punctuation, a wording of the test."""
    return normal(text) in _held_out()
