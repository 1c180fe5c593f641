"""Copying over the distance of a context of 8,192 tokens."""

import random
from collections.abc import Iterator

from cria.data.composed import copying
from cria.examples import Case, Example, Split


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless exercises of some hundred to some thousand tokens."""
    return copying.exercises(rng, split, max(copying.LENGTHS))
