"""How many bytes the machine has for models: what is free, and what the models in memory would give back."""

from collections.abc import Callable

import psutil

from puna.engine.runner import Runner
from puna.scheduler.cgroup import MemoryGroups


class Capacity:
    """Measures while nothing is on its way in or out (``steady``); in between, what was last measured stands."""

    def __init__(self, steady: Callable[[], bool]) -> None:
        self._steady = steady
        self._groups = MemoryGroups()
        self._runners: set[Runner] = set()
        self._bytes = 0

    def add(self, runner: Runner) -> None:
        """Count what ``runner`` holds as the models' own."""
        self._runners.add(runner)

    def remove(self, runner: Runner) -> None:
        """Count ``runner`` no more: its process has ended."""
        self._runners.discard(runner)

    def bytes(self) -> int:
        """Return the bytes that there would be without any model.

        Weights that are mapped from their file count as available already, so only private memory is added.
        """
        if self._steady() or not self._bytes:
            self._bytes = self._available() + sum(runner.private_memory() for runner in self._runners)
        return self._bytes

    def _available(self) -> int:
        machine = int(psutil.virtual_memory().available)
        group = self._groups.available()
        return machine if group is None else min(machine, group)
