"""How many bytes the machine and its cards have for models: what is free, and what those in memory would give back."""

import asyncio
from collections.abc import Callable

import psutil

from puna.engine.devices import devices, devices_now, free_memory
from puna.engine.runner import Runner
from puna.scheduler.cgroup import MemoryGroups


class Capacity:
    """Measures while nothing is on its way in or out (``steady``); in between, what was last measured stands."""

    def __init__(self, steady: Callable[[], bool], held: Callable[[], int] = lambda: 0) -> None:
        """``held`` tells how many bytes of graphics cards the models in memory are estimated to take."""
        self._steady = steady
        self._held = held
        self._cards: dict[str, int] = {}
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

    async def look(self, engine: str) -> None:
        """Find out what ``cards`` returns for an engine, without holding anybody up while the engine is asked."""
        if engine and engine not in self._cards:
            await asyncio.to_thread(devices, engine)

    async def look_again(self) -> None:
        """Find out what others leave of the cards now; nothing changes if a model comes in meanwhile."""
        for engine in list(self._cards):
            if not self._held():
                free = await self.free_on_cards(engine)
                if free and not self._held():
                    self._cards[engine] = free

    async def free_on_cards(self, engine: str) -> int:
        """Return the bytes that are free on the graphics cards of an engine at this moment."""
        return free_memory(await asyncio.to_thread(devices_now, engine)) if engine else 0

    def cards(self, engine: str) -> int:
        """Return the bytes of graphics cards that an engine would have without any model, 0 if it has none.

        They are those of a time when no model was loaded, or this engine was new.
        """
        if engine and engine not in self._cards:
            free = free_memory(devices(engine))
            if not free:
                return 0  # it is not remembered here: a build may take the place of another one
            self._cards[engine] = free + self._held()
        return self._cards.get(engine, 0)

    def _available(self) -> int:
        machine = int(psutil.virtual_memory().available)
        group = self._groups.available()
        return machine if group is None else min(machine, group)
