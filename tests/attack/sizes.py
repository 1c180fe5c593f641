"""How large a bomb is."""

import random


def size(chance: random.Random) -> int:
    """Return a number of any magnitude up to some billions."""
    return int(10 ** chance.uniform(1, 9.5))


def few(chance: random.Random, most: int) -> int:
    """Return a number whose bytes a body may hold."""
    return min(size(chance), most)
