"""How much of each generator the model reads, as shares of the tokens."""

import random
from collections.abc import Iterator, Mapping
from importlib import import_module

from cria.examples import Example, Generator, Item, Message, Split

JOINED = "joined"
"""Not a module: whole conversations strung together, so that long contexts occur."""

SHARES: Mapping[str, float] = {
    "skills.tools": 1.0,
}


def generator(name: str) -> Generator:
    """``generate`` of the module ``cria.data.<name>``."""
    found: Generator = import_module(f"cria.data.{name}").generate
    return found


def items(name: str, seed: str, split: Split = "train") -> Iterator[Item]:
    """The endless items of one generator."""
    rng = random.Random(f"{seed}/{name}")
    for item in generator(name)(rng, split):
        if isinstance(item, Item):
            yield item


def can_join(item: Item) -> bool:
    """Whether a conversation may follow another in one context: no system prompt, functions or thoughts."""
    return isinstance(item, Example) and not (
        item.tools or item.thinking or item.messages[0]["role"] != "user"
    )


def join(parts: list[Example]) -> Example:
    """One long conversation made of several."""
    messages: list[Message] = [message for part in parts for message in part.messages]
    return Example(tuple(messages), kind=JOINED)
