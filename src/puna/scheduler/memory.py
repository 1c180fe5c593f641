"""How much memory a model needs, and the context and parallelism that follow. Plain arithmetic, no machinery."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from puna.errors import PunaError

_BATCH = 512
_MINIMUM_CONTEXT = 4096
_COMFORTABLE_CONTEXT = 8192
"""A context below this is not traded for more slots."""
_SLOTS = ((8, 0.125), (4, 0.25), (2, 0.5), (1, 1.0))
"""Numbers of slots to choose from, and the part of the budget that the caches of so many may take."""
_SCORES = 2 << 30
"""Bytes for the scores of a step against the whole cache, unless so few tokens as ``_LEAST_STEP`` take more."""
_LEAST_STEP = 128
_OVERHEAD = 64 << 20
"""What a process with an empty model holds: interpreter, engine, buffers."""
_CARD_OVERHEAD = 512 << 20
"""What a process holds on a graphics card besides its model: the driver's context, the libraries' workspaces."""
_PROMPT_CACHE = 1 << 30
_USABLE = 0.85
"""The part of the available memory that a model may plan with; the rest is for everybody else."""


class OutOfMemoryError(PunaError):
    """A model can never fit into this machine's memory."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"model requires more system memory ({_gib(needed)}) than is available ({_gib(available)})")


class PinnedError(OutOfMemoryError):
    """As many models as there may be in memory are pinned there."""

    status = 503

    def __init__(self, models: int) -> None:
        PunaError.__init__(
            self, f"all {models} models that may be in memory at a time (OLLAMA_MAX_LOADED_MODELS) are pinned there"
        )


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model file says about its size: bytes of weights, bytes of cache per token, and its longest context.

    ``scratch_per_token`` are the bytes that each token of a step needs while it is computed. A step is a whole batch,
    or up to ``micro_batch`` tokens unless that is 0, see ``step``. ``batch_limit`` is the largest batch; 0 means the
    context. ``guesses`` tokens are computed beside each slot's own. ``scores_per_pair`` are the bytes for each pair of
    a token in a step and one in the cache: scores, where flash attention does not make do without, or masks. The cache
    is that of all slots if it is ``unified``, else that of one slot.
    """

    weights: int
    cache_per_token: int
    trained_context: int
    scratch_per_token: int = 0
    batch_limit: int = 0
    micro_batch: int = 0
    guesses: int = 0
    scores_per_pair: int = 0
    unified: bool = False

    def batch(self, context: int) -> int:
        """Return how many tokens of a prompt are computed in one step."""
        return max(_BATCH, min(context, self.batch_limit or context))

    def step(self, context: int, parallel: int) -> int:
        """Return how many tokens are evaluated at once: fewer where scores against the whole cache take much memory."""
        if not self.micro_batch:
            return self.batch(context)
        if not self.scores_per_pair:
            return self.micro_batch
        pairs = self._pairs(context, parallel)
        return min(self.micro_batch, max(_LEAST_STEP, _SCORES // (self.scores_per_pair * pairs)))

    def _pairs(self, context: int, parallel: int) -> int:
        """Return how many tokens of the cache each token of a step is scored against, at most."""
        return context * (parallel if self.unified else 1)

    def cache(self, context: int, parallel: int) -> int:
        """Return the bytes of the caches of ``parallel`` slots of ``context`` tokens."""
        return self.cache_per_token * context * parallel

    def layers(self, context: int, parallel: int) -> int:
        """Return the bytes of weights and caches."""
        return self.weights + self.cache(context, parallel)

    def total(self, context: int, parallel: int) -> int:
        """Return the estimated bytes of a runner with ``parallel`` slots of ``context`` tokens."""
        step = self.step(context, parallel)
        scratch = self.scratch_per_token * (step + self.guesses * parallel)
        scratch += self.scores_per_pair * step * self._pairs(context, parallel)
        return _OVERHEAD + self.layers(context, parallel) + scratch


def _usable(available: int) -> int:
    return int(available * _USABLE)


class Room(NamedTuple):
    """Bytes of the machine's memory, and of that of its graphics cards."""

    memory: int
    cards: int = 0

    @property
    def usable(self) -> "Room":
        """Return what of all this models may plan with."""
        return Room(_usable(self.memory), _usable(self.cards))

    def holds(self, wanted: Self) -> bool:
        """Return whether ``wanted`` fits in here; of what it does not need any amount will do."""
        return not any(want and want > have for have, want in zip(self, wanted, strict=True))

    def relieves(self, free: Self, wanted: Self) -> bool:
        """Return whether ``free`` would hold more of what it lacks for ``wanted`` if this were free as well."""
        return any(own and want and want > have for own, have, want in zip(self, free, wanted, strict=True))

    def plus(self, other: Self) -> "Room":
        """Return both together."""
        return Room(self.memory + other.memory, self.cards + other.cards)

    def minus(self, other: Self) -> "Room":
        """Return what is left without ``other``."""
        return Room(self.memory - other.memory, self.cards - other.cards)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is to be loaded: tokens per slot, slots, and the bytes that this is estimated to take."""

    context: int
    parallel: int
    size: int
    prompt_cache: int = 0
    """Bytes for prompts that have left their slot: what is left of the budget, within bounds; counted when used."""
    on_cards: int = 0
    """How many bytes of ``size`` lie on graphics cards."""
    split: bool = False
    """Whether the cards hold only a part of the layers, and the engine has to find out how many."""

    @property
    def room(self) -> Room:
        """Return what it takes of both kinds of memory."""
        return Room(self.size - self.on_cards, self.on_cards)


def plan(
    footprint: Footprint,
    *,
    context: int,
    parallel: int,
    available: int,
    cards: int = 0,
    cards_share: float = 1.0,
    saved_context: int = 0,
) -> Plan:
    """Choose what was not asked for (``context`` or ``parallel`` 0) so that the model fits.

    ``available`` are the bytes of the machine's memory, ``cards`` those of its graphics cards, where a model goes whole
    if it can. If it cannot, or only ``cards_share`` of its layers are wanted there, both hold it together.

    The context asked for is kept up to what the model was trained for; the one not asked for is the model's own,
    halved while its caches would take too much. The more slots the better, as long as each has a comfortable context.
    ``saved_context`` is chosen instead if that is at most a factor of two in context and slots: the memory that is
    free varies from load to load, and a conversation that was saved with one context cannot go on with another.
    Raises ``OutOfMemoryError`` when the smallest choice does not fit.
    """
    if not cards:
        return _placed(_planned(footprint, context, parallel, available, saved_context), 0, footprint, available)
    besides = replace(footprint, weights=footprint.weights + _CARD_OVERHEAD)
    if cards_share == 1:
        with suppress(OutOfMemoryError):
            whole = _planned(besides, context, parallel, cards, saved_context)
            return _placed(whole, whole.size, footprint, available)
    both = _planned(besides, context, parallel, available + cards, saved_context)
    # What a step needs lies on the cards, however few layers do.
    elsewhere = int((1 - cards_share) * footprint.layers(both.context, both.parallel))
    on_cards = min(both.size - elsewhere, _usable(cards))
    return replace(_placed(both, on_cards, footprint, available), split=True)


def _placed(made: Plan, on_cards: int, footprint: Footprint, available: int) -> Plan:
    """Return a plan with so many bytes on cards, and room for prompts in what is left of the machine's memory."""
    left = _usable(available) - (made.size - on_cards)
    prompt_cache = max(0, min(_PROMPT_CACHE, footprint.cache(made.context, made.parallel), left))
    return replace(made, on_cards=on_cards, prompt_cache=prompt_cache)


def _planned(footprint: Footprint, context: int, parallel: int, available: int, saved_context: int) -> Plan:
    budget = _usable(available)
    own = footprint.trained_context or _MINIMUM_CONTEXT
    contexts = [min(context, own)] if context else _halvings(own)
    slots = [(parallel, 1.0)] if parallel else list(_SLOTS)
    choices = [(tokens, count, part) for count, part in slots for tokens in contexts]
    comfortable = [choice for choice in choices if context or choice[0] >= min(own, _COMFORTABLE_CONTEXT)]
    chosen = _first_that_fits(footprint, [*comfortable, *reversed(choices)], budget)
    if chosen is None:
        raise OutOfMemoryError(footprint.total(*choices[-1][:2]), available)
    if 2 * saved_context < chosen.context:
        return chosen
    kept = [choice for choice in comfortable if choice[0] == saved_context and 2 * choice[1] >= chosen.parallel]
    return _first_that_fits(footprint, kept, budget) or chosen


def _first_that_fits(footprint: Footprint, choices: Iterable[tuple[int, int, float]], budget: int) -> Plan | None:
    """Return the first choice (context, slots, part of the budget for their caches) that fits."""
    for tokens, count, part in choices:
        size = footprint.total(tokens, count)
        if size <= budget and footprint.cache(tokens, count) <= part * budget:
            return Plan(tokens, count, size)
    return None


def _halvings(context: int) -> list[int]:
    result = [context]
    while result[-1] // 2 >= _MINIMUM_CONTEXT:
        result.append(result[-1] // 2)
    return result


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
