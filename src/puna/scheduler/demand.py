"""What a request needs of a runner."""

from collections.abc import Hashable
from dataclasses import dataclass

from puna.scheduler.memory import Footprint
from puna.scheduler.tuned import UNTUNED, Tuned


@dataclass(frozen=True, slots=True)
class Demand:
    """A model in the form that a request wants it.

    ``context`` is in tokens per slot, 0 for Puna's choice; ``parallel`` is the number of slots, 0 for Puna's choice.
    ``variant`` are the other options of a runner: two that differ need different processes. ``tuned`` is how a runner
    is to be started for this request; any other will do as well, unless the request is ``plain`` and it guesses ahead.
    """

    footprint: Footprint
    context: int = 0
    parallel: int = 0
    variant: Hashable = None
    tuned: Tuned = UNTUNED
    plain: bool = False

    @property
    def least_context(self) -> int:
        """Return the tokens per slot with which the request gets all that it asks for."""
        trained = self.footprint.trained_context
        return min(self.context or trained, trained or self.context)
