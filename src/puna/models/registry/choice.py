"""Which piece of a blob is fetched next, and from whom."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from puna.models.registry.ownership import owner
from puna.models.registry.peers import Source
from puna.models.registry.sharing import Share

STALLED_SECONDS = 8.0
"""How long an owner may get on with nothing before others take what it owns."""
_MOST_OF_ONE = 3
"""Pieces that come from one peer at a time."""


@dataclass(slots=True)
class Choice:
    """Chooses for one blob. ``me`` is this node, "" if it shares nothing, since nobody waits for it then.

    ``believed`` are the only sources that are asked, ``None`` for all that are live.
    """

    digest: str
    share: Share
    sources: Sequence[Source]
    has_registry: bool
    me: str
    believed: Collection[int] | None = None
    """Places among ``sources``."""
    taking: set[int] = field(default_factory=set)
    """Pieces that are on their way."""

    def next(self, missing: Sequence[int]) -> tuple[int, Source | None] | None:
        """Return a piece and who is to give it (``None``: the registry), or ``None`` where there is nothing to do."""
        free = [index for index in missing if index not in self.taking]
        if self.has_registry and (disputed := next(filter(self._is_disputed, free), None)) is not None:
            return disputed, None  # it says who is right
        for index in free:
            if source := self._idlest(index, seeds=False):
                return index, source
        return self._own(free)

    def _own(self, free: Sequence[int]) -> tuple[int, Source | None] | None:
        """Return a piece that this node owns and somebody with all of them, or the registry, is to give."""
        owners = self.owners()
        nodes = frozenset(source.node for source in owners) | ({self.me} if self.me else frozenset())
        spoken_for = {index for source in owners for index in source.claims}
        has_seed = any(source.is_seed for source in self.usable())
        for source in self.usable():  # what another one has already comes from there, when it has less to do
            if not source.is_seed:
                spoken_for |= source.hashes.keys()
        for index in free:
            if index in spoken_for or (nodes and owner(self.digest, index, nodes) != self.me):
                continue
            seed = self._idlest(index, seeds=True)
            if seed or (self.has_registry and not has_seed):
                return index, seed
        return None

    def _idlest(self, index: int, *, seeds: bool) -> Source | None:
        able = [
            source
            for source in self.usable()
            if index in source.hashes and bool(source.is_seed) is seeds and source.busy < _MOST_OF_ONE
        ]
        return min(able, key=lambda source: (source.busy, source.given), default=None)

    def live(self) -> Iterator[Source]:
        """Yield the peers that answer and are believed."""
        for place, source in enumerate(self.sources):
            if source.is_live and (self.believed is None or place in self.believed):
                yield source

    def usable(self) -> list[Source]:
        """Return the peers that may be asked now: slow ones only where nobody else has all of the blob."""
        live, now = list(self.live()), time.monotonic()
        quick = [source for source in live if source.slow_until <= now]
        return quick if self.has_registry or any(source.is_seed for source in quick) else live

    def owners(self) -> list[Source]:
        """Return the peers that pull this blob too, share it, and get on."""
        now = time.monotonic()
        return [
            source
            for source in self.live()
            if source.node and not source.is_seed and now - self._last_step(source) < STALLED_SECONDS
        ]

    def _last_step(self, source: Source) -> float:
        """Return when a peer that pulls too had more than before, or joined; 0 for one that does not pull."""
        if source.kind == "part":
            return max(source.advanced_at, self.share.joined(source.node))
        return self.share.joined(source.node) if source.kind == "none" else 0.0

    def _is_disputed(self, index: int) -> bool:
        return len({source.hashes[index] for source in self.live() if index in source.hashes}) > 1

    def views(self, mine: dict[int, str]) -> list[tuple[dict[int, str], list[int]]]:
        """Return what peers say of the pieces that not all agree on, what most say first, each with who says it.

        ``mine`` are the hashes of what is here.
        """
        said = {place: source.hashes for place, source in enumerate(self.sources) if source.is_live}
        everything = [*said.values(), mine]
        disputed = [index for index in mine if len({hashes[index] for hashes in everything if index in hashes}) > 1]
        views: dict[tuple[str, ...], list[int]] = {}
        for place, hashes in said.items():
            if all(index in hashes for index in disputed):
                views.setdefault(tuple(hashes[index] for index in disputed), []).append(place)
        ordered = sorted(views.items(), key=lambda view: -len(view[1]))
        return [(dict(zip(disputed, view, strict=True)), places) for view, places in ordered if disputed]
