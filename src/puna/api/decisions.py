"""What both ways to ask for decisions share: the figures of their answers, and values as text."""

import math
from collections.abc import Sequence, Sized
from typing import Any

import orjson

from puna.api.extras import Extras
from puna.errors import BadRequestError

MOST_ANSWERS = 255
_MOST_QUESTIONS = 400
YES_NO = ("Yes", "No")


class DecideBody(Extras):
    """What the bodies of both have in common. ``calibrate`` is Puna's own (see ``DecideRequest``)."""

    model: str = ""
    calibrate: bool = False


def check_count(questions: Sized) -> None:
    """Raise ``BadRequestError`` unless so many questions can be asked at once."""
    if not 1 <= len(questions) <= _MOST_QUESTIONS:
        raise BadRequestError(f"questions must be 1 to {_MOST_QUESTIONS}", param="questions")


def likeliest(shares: Sequence[float]) -> int:
    """Return the place of the likeliest answer."""
    return max(range(len(shares)), key=lambda at: shares[at])


def confidence(shares: Sequence[float]) -> float:
    """Return how far the likeliest answer is from chance: 0 where all are alike, 1 where it is certain."""
    chance = 1 / len(shares)
    return (max(shares) - chance) / (1 - chance)


def expected(shares: Sequence[float]) -> float:
    """Return the level that is to be expected, counted from 0."""
    return math.fsum(level * share for level, share in enumerate(shares))


def asked_text(value: Any) -> str:
    """Return a value of JSON as a model reads it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
