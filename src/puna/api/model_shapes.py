"""How dialects that share the path of the models tell of them, each in its own shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from puna.api.facts import Facts
from puna.models.model import Model


@dataclass(frozen=True, slots=True)
class Entry:
    """A model as lists have it; ``id`` is what the caller calls it.

    ``usual`` is how many tokens a conversation has with models that say nothing themselves, 0 for as many as they were
    trained for.
    """

    id: str
    model: Model
    facts: Facts
    usual: int

    @property
    def context(self) -> int | None:
        """Return how many tokens a conversation may have here; ``None`` where nothing says it."""
        return context_of(self.model.defaults.get("num_ctx") or self.usual, self.facts.context_length)


def context_of(asked: int, trained: int) -> int | None:
    """Return how many tokens a conversation may have that asks for so many, of a model that was trained for so many."""
    return min((length for length in (asked, trained) if length), default=None)


class Shape(Protocol):
    """How a dialect tells of models."""

    def one(self, entry: Entry) -> dict[str, Any]:
        """Return the object of one model."""
        ...

    def all(self, entries: Sequence[Entry], request: Request) -> dict[str, Any]:
        """Return the object of a list of models, or of the page of it that a request asks for."""
        ...


SHAPES: dict[str, Shape] = {}
"""The shapes of other dialects with the same path, by the header that their clients send."""
