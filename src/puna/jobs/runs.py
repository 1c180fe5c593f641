"""Responses that are made in the background: each is a task of its own, which ends with the server and not before."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from puna.errors import PayloadTooLargeError, PunaError
from puna.jobs.archive import Archive
from puna.jobs.tables import Item

Events = list[dict[str, Any]]
_FLUSH_SECONDS = 0.25
"""How long events may be in memory alone: what a killed server has not written, its client may have seen."""
_LAST = 2**31
"""More than any event's number: what is larger still, SQLite would not take."""
_FAILED = "response.failed"
_log = logging.getLogger(__name__)


class Making(Protocol):
    """A response while it is made. ``make`` yields events until the response is over, and raises nothing."""

    @property
    def response(self) -> Mapping[str, Any]:
        """Return the object as it is now."""
        ...

    def make(self) -> AsyncGenerator[Events, None]:
        """Yield the events in their order."""
        ...

    def cancel(self) -> Events:
        """End the response where it is, and return the events that say so."""
        ...

    def end_with_server(self) -> Events:
        """End the response since the server ends, and return the events that say so."""
        ...


@dataclass(eq=False, slots=True)
class _Run:
    owner: str
    making: Making
    given: Sequence[Item]
    events: Events = field(default_factory=list)
    kept: int = 0
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    task: asyncio.Task[None] | None = None
    ending: bool = False
    """Whether it is being ended or stored: who cancels it then waits for that, and does not break it off."""
    over: bool = False


class Runs:
    """The responses under way in the background."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._runs: dict[str, _Run] = {}
        self._closing = False

    async def start(self, owner: str, making: Making, given: Sequence[Item]) -> None:
        """Begin to make a response, which is kept from now on."""
        await self._archive.save(owner, making.response, given)
        run = self._runs[making.response["id"]] = _Run(owner, making, given)
        run.task = asyncio.create_task(self._work(run))

    def response(self, owner: str, name: str) -> Mapping[str, Any] | None:
        """Return a response that is being made, as it is now; ``None`` if there is no such one."""
        run = self._runs.get(name)
        return run.making.response if run and run.owner == owner else None

    async def cancel(self, owner: str, name: str) -> bool:
        """End a response where it is, and return whether it was being made."""
        run = self._runs.get(name)
        if run is None or run.owner != owner or run.task is None:
            return False
        _end(run)
        await asyncio.wait({run.task})
        return True

    async def follow(self, owner: str, name: str, after: int) -> AsyncGenerator[Events, None]:
        """Yield the events of a response with numbers above ``after``, those to come included."""
        after = min(max(after, -1), _LAST)  # events are numbered from 0
        run = self._runs.get(name)
        if run is None or run.owner != owner:
            if events := await self._kept_events(owner, name, after):
                yield events
            return
        sent = after + 1
        while True:
            async with run.news:
                while not run.over and len(run.events) <= sent:
                    await run.news.wait()
                events, sent = run.events[sent:], max(sent, len(run.events))
            if events:
                yield events
            elif run.over:
                return

    async def close(self) -> None:
        """End all of them, as failed, since the server ends."""
        self._closing = True
        runs = list(self._runs.values())
        for run in runs:
            _end(run)
        await asyncio.gather(*[run.task for run in runs if run.task], return_exceptions=True)

    async def _kept_events(self, owner: str, name: str, after: int) -> Events:
        """Return the events of a response that is not made any more; the last one says how it ended in any case."""
        events = await self._archive.events(owner, name, after)
        response = await self._archive.response(owner, name)
        if response["status"] != "failed":
            return events
        last = (await self._archive.events(owner, name, -1))[-1:]
        if not last or last[0]["type"] != _FAILED:  # a server that was killed has not made it
            number = max([after, *(event["sequence_number"] for event in last)]) + 1
            events.append({"type": _FAILED, "sequence_number": number, "response": response})
        return events

    async def _work(self, run: _Run) -> None:
        flusher = asyncio.create_task(self._flush(run))
        try:
            async with aclosing(run.making.make()) as batches:
                async for events in batches:
                    await self._tell(run, events)
        except asyncio.CancelledError:
            await self._tell(run, run.making.end_with_server() if self._closing else run.making.cancel())
        finally:
            flusher.cancel()
            await self._finish(run)

    async def _finish(self, run: _Run) -> None:
        run.ending = True
        name = run.making.response["id"]
        try:
            await self._keep(run)
            await self._save(run)
        except PunaError as error:  # whoever listens has the whole answer all the same
            _log.warning("response %s is not stored: %s", name, error)
        finally:
            run.over = True
            del self._runs[name]
            async with run.news:
                run.news.notify_all()

    async def _save(self, run: _Run) -> None:
        """Keep how a response has ended: whoever asks for it would else wait for ever."""
        response = run.making.response
        try:
            await self._archive.save(run.owner, response, run.given)
        except PayloadTooLargeError as error:
            failed = {"status": "failed", "output": [], "error": {"code": "server_error", "message": str(error)}}
            await self._archive.delete(run.owner, response["id"])  # its events are too large as well
            await self._archive.save(run.owner, {**response, **failed}, run.given)
            raise

    async def _tell(self, run: _Run, events: Events) -> None:
        run.events += events
        async with run.news:
            run.news.notify_all()

    async def _flush(self, run: _Run) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            with contextlib.suppress(PunaError):  # the end tells of it
                await self._keep(run)

    async def _keep(self, run: _Run) -> None:
        if events := run.events[run.kept :]:
            await self._archive.add_events(run.making.response["id"], events)
            run.kept += len(events)


def _end(run: _Run) -> None:
    """Cancel what makes a response, once: what it does to end must not be cancelled as well."""
    if run.task and not run.ending:
        run.ending = True
        run.task.cancel()
