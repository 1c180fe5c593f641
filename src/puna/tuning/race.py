"""Two ways to do the same, measured turn about."""

from dataclasses import dataclass, field

_TURNS = 4
_HOPELESS = 0.85
"""Who is so much slower in the first turn gets no second one."""
_CALM = 1.15
"""Ratios of turns that are further apart than this show that the machine does something else as well."""


@dataclass(slots=True)
class Race:
    """The speeds of something new and of something known, in turns.

    The fastest turn of each decides: what else the machine does makes a turn slower, never faster.
    """

    known: list[float] = field(default_factory=list)
    new: list[float] = field(default_factory=list)

    def add(self, known: float, new: float) -> None:
        """Note the speeds of one turn."""
        self.known.append(known)
        self.new.append(new)

    @property
    def ratio(self) -> float:
        """Return how many times as fast the new one is, 0 before the first turn."""
        return max(self.new) / max(self.known) if self.new else 0.0

    @property
    def ratios(self) -> tuple[float, ...]:
        """Return the same for each turn."""
        return tuple(new / known for new, known in zip(self.new, self.known, strict=True))

    def decided(self, gain: float) -> bool:
        """Return whether further turns would not change who wins, where the new one must be ``gain`` times as fast."""
        ratios = self.ratios
        if len(ratios) < 2:
            return bool(ratios) and ratios[0] < _HOPELESS
        agree = all(ratio >= gain for ratio in ratios) or all(ratio < gain for ratio in ratios)
        return len(ratios) >= _TURNS or (agree and max(ratios) <= _CALM * min(ratios))
