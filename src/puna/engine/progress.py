"""Whether a process that loads a model gets any further. Plain code that is told the time."""

_WORKING = 0.01
"""The part of one processor's time that a load uses at least: more than answering that it is not ready takes."""
_GROWTH = 1 << 20
"""Bytes by which a process grows that reads a model, from however slow a disk."""
_LONGEST = 12
"""A load that gets on all the time may take so many times as long as one may stand still."""


class LoadProgress:
    """A load that began at ``now``, and may stand still for ``limit`` seconds."""

    def __init__(self, limit: float, now: float) -> None:
        self._limit = limit
        self._began = self._moved_at = now
        self._processor_seconds = 0.0
        self._memory = 0

    def stalled(self, now: float, processor_seconds: float, memory: int) -> bool:
        """Return whether it stands still for too long; told what it has computed so far and how large it is."""
        worked = processor_seconds - self._processor_seconds > _WORKING * (now - self._moved_at)
        if worked or memory - self._memory >= _GROWTH:
            self._moved_at, self._processor_seconds, self._memory = now, processor_seconds, memory
        return now - self._moved_at >= self._limit or now - self._began >= _LONGEST * self._limit
