"""How dialects that share the path of the models tell of them, each in its own shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from puna.api.facts import Facts
from puna.models.model import Model


@dataclass(frozen=True, slots=True)
class Entry:
    """A model as lists have it; ``id`` is what the caller calls it."""

    id: str
    model: Model
    facts: Facts


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
