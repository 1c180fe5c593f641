"""Sets of characters, as ranges of code points in their order; surrogates are no characters."""

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
ANY: Ranges = ((0, 0xD7FF), (0xE000, LAST))


def ranges(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Return the set of all characters from the first to the last of each pair."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return intersection(tuple(merged), ANY)


def of(text: str) -> Ranges:
    """Return the set of the letters of a text."""
    return ranges((ord(letter), ord(letter)) for letter in text)


def span(first: str, last: str) -> Ranges:
    """Return the set of the letters from ``first`` to ``last``."""
    return ranges([(ord(first), ord(last))])


def union(*sets: Ranges) -> Ranges:
    """Return what is in any of the sets."""
    return ranges(pair for one in sets for pair in one)


def intersection(one: Ranges, other: Ranges) -> Ranges:
    """Return what is in both sets."""
    found = []
    left, right = 0, 0
    while left < len(one) and right < len(other):
        low, high = max(one[left][0], other[right][0]), min(one[left][1], other[right][1])
        if low <= high:
            found.append((low, high))
        if one[left][1] < other[right][1]:
            left += 1
        else:
            right += 1
    return tuple(found)


def complement(one: Ranges) -> Ranges:
    """Return all other characters."""
    gaps, start = [], 0
    for low, high in one:
        if start < low:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= LAST:
        gaps.append((start, LAST))
    return intersection(tuple(gaps), ANY)
