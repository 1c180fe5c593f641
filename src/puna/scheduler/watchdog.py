"""Ends runners that do not get any further, so that no request hangs: it fails with a reason, or runs again.

A runner gets further when bytes arrive for a request, or when what the engine tells of its slots changes. While it
reads a prompt neither happens: then it has more time, in proportion to the prompt, as long as it uses the processor.
A client that goes away takes its request out of the engine, but only between two steps. One that compiles a grammar
for ever, or runs a template, comes to none: so a runner is looked after until it works for nobody who has gone.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from puna.engine.errors import EngineError, EngineRequestError, RunnerCrashedError
from puna.engine.runner import Runner
from puna.scheduler.lease import Lease, LoadedModel, RunnerHeldError, RunnerStalledError, RunnerTooLargeError
from puna.scheduler.patience import step_seconds

_log = logging.getLogger(__name__)
_PAUSE = 0.5
_LOOKS_PER_LIMIT = 8
_LONGEST_QUIET = 5.0
_STEPS = 3
"""A runner may answer nothing for so many times as long as one step takes, while somebody waits for it."""
_TOKENS_PER_LIMIT = 1000
"""Tokens of a prompt that even the slowest machine reads within the limit."""
_WORKING = 0.05
"""The part of one processor's time that a runner that computes uses at least."""


@dataclass(slots=True)
class Watched:
    """What is known of one runner. Times are seconds of the monotonic clock."""

    leases: set[Lease] = field(default_factory=set)
    gone: dict[Lease, float] = field(default_factory=dict)
    """Leases that were broken off, and whose work in the engine may go on; and when that was."""
    held: frozenset[tuple[int, int]] | None = None
    """Slots, with their tasks, that have been at work at each look since the first of these was broken off."""
    slots: list[dict[str, Any]] = field(default_factory=list)
    question: asyncio.Task[Any] | None = None
    """The question for its slots that the engine was asked last and has not answered."""
    asked_at: float = 0.0
    free_at: float = field(default_factory=time.monotonic)
    """When the last lease ended."""
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

    ``limit`` is in seconds; infinite switches off all but the look at memory. ``lost`` is told which runner is to go.
    """

    def __init__(self, limit: float, lost: Callable[[LoadedModel], None]) -> None:
        self._limit = limit
        self._lost = lost
        self._watched: dict[LoadedModel, Watched] = {}
        self._tasks: dict[LoadedModel, asyncio.Task[None]] = {}

    def watch(self, entry: LoadedModel, lease: Lease) -> None:
        """Look after the runner of a lease as long as it is lent."""
        self._watched.setdefault(entry, Watched()).leases.add(lease)
        if entry not in self._tasks:
            self._tasks[entry] = asyncio.create_task(self._look_on(entry))

    def release(self, entry: LoadedModel, lease: Lease, *, broken_off: bool) -> None:
        """Note that a lease has ended; one that was ``broken_off`` may leave work behind in the engine."""
        watched = self._watched.get(entry)
        if watched:
            watched.leases.discard(lease)
            watched.free_at = time.monotonic()
            if broken_off and entry.resident.ready:
                watched.gone[lease] = watched.free_at

    def computes(self, entry: LoadedModel, seconds: float) -> bool:
        """Return whether a runner that is lent has computed within the last so many seconds."""
        watched = self._watched.get(entry)
        return watched is not None and time.monotonic() - watched.worked_at < seconds

    def give_up(self, entry: LoadedModel, reason: RunnerCrashedError) -> None:
        """Have a runner that is lent ended, unless it has been already; tell ``reason`` to all that it works for."""
        if watched := self._watched.get(entry):
            self._end(entry, watched, reason)

    def gone(self) -> Iterator[Lease]:
        """Yield the leases that have ended, but whose work in the engine may not have."""
        for watched in self._watched.values():
            yield from watched.gone

    def company(self, entry: LoadedModel) -> int:
        """Return for how many requests a runner works."""
        watched = self._watched.get(entry)
        return len(watched.leases) + len(watched.gone) if watched else 0

    async def stop(self) -> None:
        """Look no more."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look_on(self, entry: LoadedModel) -> None:
        """Look after one runner until it is lost, or works for nobody."""
        watched = self._watched[entry]
        watched.looked_at, watched.processor_seconds = time.monotonic(), entry.runner.processor_seconds()
        try:
            while entry.resident.ready:
                await asyncio.sleep(min(_PAUSE, self._limit / _LOOKS_PER_LIMIT))
                watched.note_work(time.monotonic(), entry.runner.processor_seconds())
                if not (watched.leases or self._works(watched)):
                    return
                if entry.resident.ready:
                    await self._look(entry, watched)
        finally:
            del self._watched[entry], self._tasks[entry]
            if watched.question:
                watched.question.cancel()
                await asyncio.wait({watched.question})

    def _works(self, watched: Watched) -> bool:
        """Return whether the process computes though nothing is asked of it."""
        return watched.worked_at == watched.looked_at and math.isfinite(self._limit)

    async def _look(self, entry: LoadedModel, watched: Watched) -> None:
        size = entry.runner.private_memory()
        if size > entry.most_memory:
            self._end(entry, watched, RunnerTooLargeError(entry.runner.name, size))
        elif math.isfinite(self._limit):
            step = min(step_seconds(entry.resident, entry.config), self._limit)
            if watched.gone or not watched.leases:
                await self._see_off(entry, watched, step)
            else:
                await self._look_for_progress(entry, watched, step)

    async def _see_off(self, entry: LoadedModel, watched: Watched, step: float) -> None:
        """End a runner that has worked for longer than a step for clients that have gone."""
        since = min(watched.gone.values(), default=watched.free_at)
        if watched.leases:
            looked_at = time.monotonic()
            slots = await _slots(entry.runner, watched, _PAUSE)
            if slots is None:
                since = max(since, watched.asked_at)  # it has answered until then
            elif _obeys(watched, slots, since):
                watched.gone = {lease: at for lease, at in watched.gone.items() if at > looked_at}
                watched.held = None
                return
        seconds = time.monotonic() - since
        if seconds >= step:
            self._end(entry, watched, RunnerHeldError(entry.runner.name, seconds))

    async def _look_for_progress(self, entry: LoadedModel, watched: Watched, step: float) -> None:
        now = time.monotonic()
        quiet = min(self._limit / _LOOKS_PER_LIMIT, _LONGEST_QUIET)
        waiting = [lease.client.waiting_since for lease in watched.leases if lease.client.waiting_since]
        watched.moved_at = max([watched.moved_at, *waiting]) if waiting else now
        if now - watched.moved_at < quiet:
            return
        slots = await _slots(entry.runner, watched, quiet)
        # Nothing in a slot and nothing computed: what waits has just come, or is on its way.
        idle = slots is not None and not _working(slots) and watched.worked_at < watched.looked_at
        if idle or (slots is not None and slots != watched.slots):
            watched.slots = slots or []
            watched.moved_at = now
        elif watched.hangs(now, self._limit) or (slots is None and now - watched.moved_at >= _STEPS * step):
            self._end(entry, watched, RunnerStalledError(entry.runner.name, round(now - watched.moved_at)))

    def _end(self, entry: LoadedModel, watched: Watched, reason: RunnerCrashedError) -> None:
        if not entry.resident.ready:
            return
        _log.error("%s", reason)
        entry.lost_by = reason.word
        reason.alone = reason.suspect and self.company(entry) <= 1
        self._lost(entry)
        for lease in list(watched.leases):
            lease.end(reason)


def _obeys(watched: Watched, slots: list[dict[str, Any]], since: float) -> bool:
    """Return whether no slot need be at work for anybody who has gone; told when the first one went."""
    at_work = _working(slots)
    watched.held = at_work if watched.held is None else watched.held & at_work
    here = sum(lease.most_slots for lease in watched.leases)
    before = sum(lease.most_slots for lease in watched.leases if lease.began <= since)
    return len(at_work) <= here or len(watched.held) <= before


def _working(slots: list[dict[str, Any]]) -> frozenset[tuple[int, int]]:
    """Return the slots that are at work, each with its task."""
    return frozenset((slot["id"], slot.get("id_task", 0)) for slot in slots if slot["is_processing"])


async def _slots(runner: Runner, watched: Watched, seconds: float) -> list[dict[str, Any]] | None:
    """Return what the engine tells of its slots, or ``None`` if it does not answer in time.

    One question at a time: each takes a thread of the engine until it is answered, and there are few.
    """
    if watched.question is None:
        watched.asked_at = time.monotonic()
        watched.question = asyncio.create_task(runner.client.slots())
    done, _ = await asyncio.wait({watched.question}, timeout=seconds)
    if not done:
        return None
    question, watched.question = watched.question, None
    with contextlib.suppress(RunnerCrashedError, EngineError, EngineRequestError):
        slots: list[dict[str, Any]] = question.result()
        return slots
    return None
