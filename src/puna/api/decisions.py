"""What both ways to ask for decisions share: the figures of their answers, and values as text."""

import math
from collections.abc import Sequence
from typing import Any

import orjson

MOST_ANSWERS = 255


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
