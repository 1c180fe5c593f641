"""Ends runners that do not get any further, so that no request hangs: it fails with a reason, or runs again.

A runner gets further when bytes arrive for a request, or when what the engine tells of its slots changes. While it
reads a prompt neither happens: then it has more time, in proportion to the prompt, as long as it uses the processor.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from puna.engine.errors import EngineError, EngineRequestError, RunnerCrashedError
from puna.engine.runner import Runner
from puna.scheduler.lease import Lease, LoadedModel, RunnerStalledError

_log = logging.getLogger(__name__)
_LOOKS_PER_LIMIT = 8
_LONGEST_PAUSE = 5.0
_TOKENS_PER_LIMIT = 1000
"""Tokens of a prompt that even the slowest machine reads within the limit."""
_WORKING = 0.05
"""The part of one processor's time that a runner that computes uses at least."""


@dataclass(slots=True)
class Watched:
    """What is known of one runner. Times are seconds of the monotonic clock."""

    leases: set[Lease] = field(default_factory=set)
    slots: list[dict[str, Any]] = field(default_factory=list)
    moved_at: float = field(default_factory=time.monotonic)
    worked_at: float = field(default_factory=time.monotonic)
    looked_at: float = 0.0
    processor_seconds: float = 0.0

    def note_work(self, now: float, processor_seconds: float) -> None:
        """Note what the process has computed since the last look."""
        if processor_seconds - self.processor_seconds > _WORKING * (now - self.looked_at):
            self.worked_at = now
        self.looked_at, self.processor_seconds = now, processor_seconds

    def hangs(self, now: float, limit: float) -> bool:
        """Return whether there has been no progress for too long."""
        prompt = max((slot.get("n_prompt_tokens", 0) for slot in self.slots), default=0)
        still = now - self.moved_at
        return still >= limit and (now - self.worked_at >= limit or still >= limit * (1 + prompt / _TOKENS_PER_LIMIT))


class Watchdog:
    """Looks after the runners that answer requests.

    ``limit`` is in seconds; infinite switches it off. ``lost`` is told which runner got no further for so long.
    """

    def __init__(self, limit: float, lost: Callable[[LoadedModel], None]) -> None:
        self._limit = limit
        self._lost = lost
        self._watched: dict[LoadedModel, Watched] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, entry: LoadedModel, lease: Lease) -> None:
        """Look after the runner of a lease as long as it is lent."""
        self._watched.setdefault(entry, Watched()).leases.add(lease)
        if self._task is None and math.isfinite(self._limit):
            self._task = asyncio.create_task(self._look_on())

    def forget(self, entry: LoadedModel, lease: Lease) -> None:
        """Note that a lease has ended."""
        watched = self._watched.get(entry)
        if watched:
            watched.leases.discard(lease)
            if not watched.leases:
                del self._watched[entry]

    async def stop(self) -> None:
        """Look no more."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _look_on(self) -> None:
        pause = min(self._limit / _LOOKS_PER_LIMIT, _LONGEST_PAUSE)
        while True:
            await asyncio.sleep(pause)
            await asyncio.gather(*(self._look(entry, pause) for entry in list(self._watched)))

    async def _look(self, entry: LoadedModel, pause: float) -> None:
        watched = self._watched.get(entry)
        if watched is None:
            return
        now = time.monotonic()
        watched.note_work(now, entry.runner.processor_seconds())
        waiting = [lease.client.waiting_since for lease in watched.leases if lease.client.waiting_since]
        watched.moved_at = max([watched.moved_at, *waiting]) if waiting else now
        if now - watched.moved_at < pause:
            return
        slots = await _slots(entry.runner, pause)
        if slots is not None and (slots != watched.slots or not any(slot["is_processing"] for slot in slots)):
            watched.slots = slots
            watched.moved_at = now
        elif watched.hangs(now, self._limit):
            self._end(entry, watched)

    def _end(self, entry: LoadedModel, watched: Watched) -> None:
        reason = RunnerStalledError(entry.runner.name, self._limit)
        _log.error("%s", reason)
        self._lost(entry)
        for lease in list(watched.leases):
            lease.end(reason)


async def _slots(runner: Runner, seconds: float) -> list[dict[str, Any]] | None:
    """Return what the engine tells of its slots, or ``None`` if it does not answer in time."""
    try:
        async with asyncio.timeout(seconds):
            slots: list[dict[str, Any]] = await runner.client.get("/slots")
    except (TimeoutError, RunnerCrashedError, EngineError, EngineRequestError):
        return None
    return slots
