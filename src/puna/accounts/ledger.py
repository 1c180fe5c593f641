"""The book of what is used: counted in memory and on tape as requests end, written in batches beside the event loop."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from puna.accounts.errors import AccountsError
from puna.accounts.limits import MeterState
from puna.accounts.tape import Tape, recover
from puna.accounts.usage import Counts, Place
from puna.telemetry.record import Record

_EVERY_SECONDS = 2.0
_AFTER_FAILURE_SECONDS = 30.0
_MOST_PLACES = 50_000
"""How many counts are kept while they cannot be written; further models of a key then share one."""
_TURNED_AWAY = ("QueueFullError",)
"""Errors that mean that a request was refused, by the names that records have for them."""
_log = logging.getLogger(__name__)


class Ledger:
    """Counts what each key uses of each model. Its methods are for the event loop's thread, but for ``refuse``.

    ``metered`` gives what must outlive the process beside the counts.
    """

    def __init__(self, path: Path, metered: Callable[[], Sequence[MeterState]]) -> None:
        self._path = path
        self._metered = metered
        self._counts: dict[Place, Counts] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed = self._has_written = False
        self._tape = Tape(path.parent)

    def start(self) -> None:
        """Take note of the event loop that runs."""
        self._loop = asyncio.get_running_loop()

    def note(self, record: Record) -> None:
        """Count a request that is over."""
        if record.error in _TURNED_AWAY:
            self.refuse(record.key, record.model)
            return
        computing = record.duration - record.ready if record.ready else 0
        self._add(
            record.key, record.model, Counts(1, record.prompt, record.cached, record.generated, max(computing, 0))
        )

    def refuse(self, key: str, model: str = "") -> None:
        """Count a request that was refused, from any thread; ``model`` is one that there is, or ""."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.refuse, key, model)
            return
        self._add(key, model, Counts(refusals=1))

    def _add(self, key: str, model: str, counts: Counts) -> None:
        place = Place(time.strftime("%Y-%m-%d", time.gmtime()), key, model)
        if place not in self._counts and len(self._counts) >= _MOST_PLACES:
            place = place._replace(model="")
        self._counts.setdefault(place, Counts()).add(counts)
        self._tape.note(place, counts)
        if self._task is None:
            self._task = asyncio.create_task(self._write_on())

    async def _write_on(self) -> None:
        while self._counts:
            await asyncio.sleep(_AFTER_FAILURE_SECONDS if self._failed else _EVERY_SECONDS)
            await self.flush()
        self._task = None

    async def settle(self) -> None:
        """Write what was counted, here and by processes that have died."""
        await self.flush()
        if not self._has_written and self._path.exists():
            await asyncio.to_thread(self._write, {}, self._metered(), [])

    async def flush(self) -> None:
        """Write what was counted. What cannot be written is kept for the next time, and the log says why."""
        async with self._writing:
            counts, self._counts = self._counts, {}
            segments = self._tape.turn()
            try:
                if counts:
                    await asyncio.to_thread(self._write, counts, self._metered(), segments)
                    self._tape.drop(segments)
            except AccountsError as error:
                if not self._failed:
                    _log.error("what was used is kept in memory, since it cannot be written: %s", error)
                self._failed = True
                for place, these in counts.items():
                    self._counts.setdefault(place, Counts()).add(these)
            else:
                self._failed = False

    def _write(self, counts: Mapping[Place, Counts], metered: Sequence[MeterState], segments: Sequence[str]) -> None:
        from puna.accounts.store import Store  # SQLite is loaded only where there are keys

        with Store(self._path, create=False) as store:
            if not self._has_written:
                store.forget_old()
                recover(store, self._path.parent)
            store.add(counts, metered, segments)
        self._has_written = True

    async def close(self) -> None:
        """Write what is left; the log says how much could not be."""
        await self.flush()
        if self._task is not None:
            self._task.cancel()
        if self._counts:
            requests = sum(counts.requests for counts in self._counts.values())
            _log.error("the usage of %d requests could not be written; what is on tape is added later", requests)
        self._tape.close()
