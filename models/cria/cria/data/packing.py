"""From items to rows of tokens that training reads."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from cria.chat import spans
from cria.data import mixture
from cria.examples import Example, Item

WAITING = 64


class Document(NamedTuple):
    """The tokens of one item and which of them are learned."""

    tokens: list[int]
    learned: list[bool]


class Rows(NamedTuple):
    """Rows of equal length; ``segment`` numbers the documents of a row from 1, 0 is padding."""

    tokens: NDArray[np.uint16]
    learned: NDArray[np.bool_]
    segment: NDArray[np.uint8]


def document(item: Item, tokenizer: Tokenizer) -> Document:
    """An item in tokens, cut span by span as it will be when the model answers."""
    tokens: list[int] = []
    learned: list[bool] = []
    for text, wanted, forced in spans(item):
        encoding = tokenizer.encode(text)
        tokens += encoding.ids
        learned += [wanted and not _inside(place, forced) for place in encoding.offsets]
    return Document(tokens, learned)


def _inside(place: tuple[int, int], forced: tuple[tuple[int, int], ...]) -> bool:
    """Whether a token's characters all lie in one of the ranges."""
    return any(start <= place[0] and place[1] <= end for start, end in forced)


def documents(weights: Mapping[str, float], tokenizer: Tokenizer, seed: str, longest: int) -> Iterator[Document]:
    """An endless stream in which each generator has its share of the tokens; what is too long is left out."""
    rng = random.Random(f"{seed}/order")
    shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
    sources = {name: mixture.items(name, seed) for name in shares if name != mixture.JOINED}
    written: Counter[str] = Counter()
    while True:
        total = sum(written.values())
        name = min(shares, key=lambda name: (written[name] - shares[name] * total) / shares[name])
        if name == mixture.JOINED:
            made = _joined(sources, shares, tokenizer, rng, longest)
        else:
            made = document(mixture.vary(next(sources[name]), rng), tokenizer)
        if len(made.tokens) <= longest:
            written[name] += len(made.tokens)
            yield made


def _joined(
    sources: Mapping[str, Iterator[Item]],
    shares: Mapping[str, float],
    tokenizer: Tokenizer,
    rng: random.Random,
    longest: int,
) -> Document:
    names = [name for name in sources if name in mixture.JOINABLE]
    weights = [shares[name] for name in names]
    limit = rng.uniform(0.3, 0.95) * longest
    parts: list[Example] = []
    length = 0
    while length < limit:
        item = next(sources[rng.choices(names, weights)[0]])
        if isinstance(item, Example) and mixture.can_join(item):
            parts.append(item)
            length = len(document(mixture.join(parts), tokenizer).tokens)
    return document(mixture.join(parts[:-1] or parts), tokenizer)


def rows(stream: Iterator[Document], number: int, length: int) -> Rows:
    """Fill ``number`` rows: each takes the longest waiting document that still fits until none does."""
    packed = Rows(
        np.zeros((number, length), np.uint16),
        np.zeros((number, length), bool),
        np.zeros((number, length), np.uint8),
    )
    waiting = [next(stream) for _ in range(WAITING)]
    for row in range(number):
        used, segment = 0, 0
        choice: Document | None = waiting[0]
        while choice is not None and segment < 255:
            waiting.remove(choice)
            waiting.append(next(stream))
            segment += 1
            end = used + len(choice.tokens)
            packed.tokens[row, used:end] = choice.tokens
            packed.learned[row, used:end] = choice.learned
            packed.segment[row, used:end] = segment
            used = end
            fitting = [made for made in waiting if len(made.tokens) <= length - used]
            choice = max(fitting, key=lambda made: len(made.tokens), default=None)
    return packed
