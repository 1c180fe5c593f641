"""Work that several callers wait for and that ends early only when none of them does any more."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from puna.models.registry.progress import Progress, Report

_T = TypeVar("_T")

_TICK = 0.06
"""Seconds between two looks at what is new; Ollama's stream has the same rhythm."""


class _Job(Generic[_T]):
    """One piece of work with its listeners and what it reported so far."""

    def __init__(self, work: Callable[[Report], Awaitable[_T]]) -> None:
        self.listeners: list[Report] = []
        self._latest: dict[str, Progress] = {}
        self.task = asyncio.ensure_future(work(self._report))

    def _report(self, progress: Progress) -> None:
        self._latest[progress.key] = progress
        for listener in tuple(self.listeners):
            listener(progress)

    async def follow(self, report: Report) -> _T:
        """Report what happened so far and what happens from now on, and return the result."""
        for progress in tuple(self._latest.values()):
            report(progress)
        self.listeners.append(report)
        try:
            return await asyncio.shield(self.task)
        finally:
            self.listeners.remove(report)


class Jobs(Generic[_T]):
    """Jobs under way, by what they do."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, _Job[_T]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._jobs

    async def run(self, key: Hashable, work: Callable[[Report], Awaitable[_T]], report: Report) -> _T:
        """Return what ``work`` returns, joining the job of this key if there is one.

        The job is cancelled, and its end awaited, when the last caller that waits for it is.
        """
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = _Job(work)
            job.task.add_done_callback(lambda _: self._finish(key, job))
        try:
            return await job.follow(report)
        finally:
            if not job.listeners and not job.task.done():
                self._forget(key, job)
                job.task.cancel()
                await asyncio.wait([job.task])

    async def close(self) -> None:
        """Cancel every job and wait for their ends."""
        tasks = [job.task for job in self._jobs.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _finish(self, key: Hashable, job: _Job[_T]) -> None:
        self._forget(key, job)
        if not job.task.cancelled():
            job.task.exception()  # retrieved here in case that nobody waits any more

    def _forget(self, key: Hashable, job: _Job[_T]) -> None:
        if self._jobs.get(key) is job:
            del self._jobs[key]


async def stream(work: Callable[[Report], Awaitable[None]]) -> AsyncGenerator[Progress, None]:
    """Yield what ``work`` reports until it ends.

    Of a blob's progress a slow reader gets only the latest, so that nothing piles up. Raises what ``work`` raises.
    Closing the iterator cancels the work.
    """
    pending: dict[str, Progress] = {}
    task = asyncio.ensure_future(work(lambda progress: pending.__setitem__(progress.key, progress)))
    try:
        while not task.done() or pending:
            while pending:
                yield pending.pop(next(iter(pending)))
            if not task.done():
                await asyncio.wait([task], timeout=_TICK)
        task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
