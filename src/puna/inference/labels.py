"""What stands for an answer that is chosen, so that one token tells which: its words, or a code."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase, digits

from puna.engine.protocol import Engine
from puna.errors import BadRequestError

_MOST_WORDS = 20
"""Answers of which each is said in its own words; a model is surer of codes where there are more."""


@dataclass(frozen=True, slots=True)
class Labels:
    """One label for each answer: what the model is told to say, and the tokens with which it may begin to."""

    said: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    coded: bool = False


async def labels_for(client: Engine, words: Sequence[str]) -> Labels:
    """Return labels for answers that are ``words``: these, if their first tokens differ, else letters or the like."""
    reader = _Reader(client)
    if len(words) <= _MOST_WORDS:
        tokens = [await reader.beginnings(word) for word in words]
        if all(tokens) and _differ(tokens):
            return Labels(tuple(words), tuple(tokens))
    said: list[str] = []
    taken: list[tuple[int, ...]] = []
    for code in _codes():
        found = await reader.whole(code)
        if found and _differ([*taken, found]):
            said.append(code)
            taken.append(found)
        if len(said) == len(words):
            return Labels(tuple(said), tuple(taken), coded=True)
    raise BadRequestError(f"the model's vocabulary has no codes for {len(words)} choices")


class _Reader:
    def __init__(self, client: Engine) -> None:
        self._client = client

    async def beginnings(self, word: str) -> tuple[int, ...]:
        """Return the first token of a word, and those that are the word as a whole in other ways to write it."""
        first = (await self._tokens(word))[:1]
        others = [await self._tokens(form) for form in (f" {word}", word.capitalize(), word.lower())]
        return tuple(dict.fromkeys([*first, *(tokens[0] for tokens in others if len(tokens) == 1)]))

    async def whole(self, code: str) -> tuple[int, ...]:
        """Return the tokens that are a code as a whole, with a space before it or without."""
        found = [await self._tokens(form) for form in (code, f" {code}")]
        return tuple(dict.fromkeys(tokens[0] for tokens in found if len(tokens) == 1))

    async def _tokens(self, text: str) -> list[int]:
        return await self._client.tokenize(text, special=False, parse_special=False)


def _codes() -> Iterator[str]:
    yield from ascii_uppercase
    yield from digits
    for one in ascii_uppercase:
        yield from (one + other for other in ascii_uppercase)
    for one in ascii_uppercase:
        yield from (one + other for other in ascii_lowercase)
    for one in ascii_lowercase:
        yield from (one + other for other in ascii_lowercase)


def _differ(sets: Iterable[tuple[int, ...]]) -> bool:
    every = [token for tokens in sets for token in tokens]
    return len(every) == len(set(every))
