"""What a request needs of a runner."""

from collections.abc import Hashable
from dataclasses import dataclass

from puna.scheduler.memory import Footprint


@dataclass(frozen=True, slots=True)
class Demand:
    """A model in the form that a request wants it.

    ``context`` is in tokens per slot, 0 for Puna's choice; ``parallel`` is the number of slots, 0 for Puna's choice.
    ``variant`` are the other options of a runner: two that differ need different processes. ``guesses`` tells that a
    runner that is started for the request guesses tokens ahead, ``plain`` that the request needs one that does not.
    ``embeds`` tells that it asks for vectors: a runner that gives some also generates, but not the other way round.
    ``saved_context`` is that of the model's saved conversations, which is kept if it can be; 0 if there are none.
    ``cards`` are the bytes that the graphics cards of its engine have for models, 0 if it computes on none;
    ``cards_share`` is the part of the model that is wanted there.
    ``model`` names the model where two runners may stand side by side for it, which count as one; "" elsewhere.
    ``pinned`` tells that it makes no room for others.
    """

    footprint: Footprint
    context: int = 0
    parallel: int = 0
    variant: Hashable = None
    guesses: bool = False
    plain: bool = False
    embeds: bool = False
    saved_context: int = 0
    cards: int = 0
    cards_share: float = 1.0
    model: str = ""
    pinned: bool = False

    @property
    def least_context(self) -> int:
        """Return the tokens per slot with which the request gets all that it asks for."""
        trained = self.footprint.trained_context
        return min(self.context or trained, trained or self.context)
