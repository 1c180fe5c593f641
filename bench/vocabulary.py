"""A synthetic vocabulary of byte-level BPE, of any size, and texts of which the number of tokens is known.

Its words are made of syllables: every word of two syllables, with the space before it, is one token.
"""

import itertools
import random
import secrets
from dataclasses import dataclass

_CONSONANTS = "bcdfghjklmnprstvwxyz"
_VOWELS = "aeiou"
_SYLLABLES = tuple(consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS)
_SPACE = "Ġ"  # how byte-level BPE writes a space
_PRINTABLE = (range(ord("!"), ord("~") + 1), range(ord("¡"), ord("¬") + 1), range(ord("®"), ord("ÿ") + 1))
_RUN = secrets.token_hex(8)
"""What a server has read in an earlier run it may not have to read again."""
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""The control tokens, the last ones of every vocabulary."""
SMALLEST = 256 + len(_SYLLABLES) + 2 * len(_SYLLABLES) ** 2 + len(CONTROL)
"""The least number of tokens: with fewer, not every word of two syllables would be one."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens in the order of their ids, the control tokens last, and the merges that make them, the first first."""

    tokens: list[str]
    merges: list[str]


def vocabulary(size: int) -> Vocabulary:
    """Return a vocabulary of ``size`` tokens: bytes, syllables, words of two of them, and words of three to fill it."""
    if size < SMALLEST:
        raise ValueError(f"a vocabulary has at least {SMALLEST} tokens, not {size}")
    pairs = list(itertools.product(_SYLLABLES, repeat=2))
    longer = ((_SPACE + first + second, third) for third in _SYLLABLES for first, second in pairs)
    every = itertools.chain(
        ((syllable[0], syllable[1]) for syllable in _SYLLABLES),
        pairs,
        ((_SPACE, first + second) for first, second in pairs),
        longer,
    )
    letters = _byte_letters()
    parts = list(itertools.islice(every, size - len(letters) - len(CONTROL)))
    tokens = [*letters, *(left + right for left, right in parts), *CONTROL]
    if len(tokens) != size:
        raise ValueError(f"a vocabulary has at most {len(tokens)} tokens, not {size}")
    return Vocabulary(tokens, [f"{left} {right}" for left, right in parts])


def text(tokens: int, seed: object) -> str:
    """Return a text of so many tokens, another one for every seed and in every process."""
    chance = random.Random(f"{_RUN} {seed!r}")
    return "".join(f" {chance.choice(_SYLLABLES)}{chance.choice(_SYLLABLES)}" for _ in range(tokens))


def _byte_letters() -> list[str]:
    """Return the letters that stand for the bytes 0 to 255: themselves where printable, from U+0100 on elsewhere."""
    printable = {number for numbers in _PRINTABLE for number in numbers}
    others = itertools.count(256)
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]
