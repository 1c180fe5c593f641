"""Requests that no function on offer is for, and small talk while there are some: no call."""

import random
from collections.abc import Iterator

from cria.data.composed import calls, scene_calls
from cria.data.skills.common import Makers, endless
from cria.examples import Case, Example, Split

MAKERS: Makers = ((0.35, calls.none), (0.65, scene_calls.none))


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations of this kind, half of them Chinese."""
    return endless(rng, split, MAKERS)
