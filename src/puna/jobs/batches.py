"""The work on batches: who is asked next, and what becomes of the answers.

Requests go out a few at a time, those of a batch in an order in which prompts with a common beginning follow each
other, and each answer is in the journal before it counts as given. What runs when the server ends is asked again by the
next one.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from puna.errors import PunaError
from puna.jobs.batches_hours import Hours
from puna.jobs.batches_items import BatchItem, Usage, answer_line, error_line
from puna.jobs.batches_journal import Journal
from puna.jobs.batches_lines import Lines, read_lines

_LOOK = 5.0
"""Seconds after which open batches are looked at even if nothing has happened: for hours, expiry and other servers."""
_SWEEP = 3600.0
_MOST_TRIES = 20
_LONGEST_PAUSE = 30.0
_LIMITED, _BUSY = 429, 503
"""Statuses of a key that is over its limits, and of a server that may answer later."""
_HOLD = 3.0
"""Seconds for which the batches of a key that is over its limits wait, while those of others go on."""
_OK = 200
_EXPIRED = ("expired", "batch_expired", "The request was not executed before the completion window expired.")
_CANCELLED = ("cancelled", "batch_cancelled", "The request was not executed because the batch was cancelled.")
_UNREADABLE = "the input file cannot be read"
_FULL = "the files and answers of batches take all the space that they may (PUNA_BATCHES)"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a request was answered: its status, the id that the log knows it by, its body (JSON), and what it took."""

    status: int
    request_id: str
    body: bytes
    usage: Usage


Ask = Callable[[BatchItem, bytes], Awaitable[Answered]]
"""Answers an item, of which it is given the line; it raises nothing but cancellation."""


class Batches:
    """The batches of one server under way: ``parallel`` requests at a time, in ``hours`` of the local day."""

    def __init__(self, journal: Journal, ask: Ask, parallel: int, hours: Hours) -> None:
        self._journal = journal
        self._ask = ask
        self._parallel = parallel
        self._hours = hours
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._held: dict[str, float] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work; batches of an earlier server go on."""
        self._task = asyncio.create_task(self._work())

    def wake(self) -> None:
        """Tell that a batch has come, or is to end."""
        self._news.set()

    async def close(self) -> None:
        """Leave what runs to the next server."""
        tasks = [*self._running.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        swept = 0.0
        while True:
            self._news.clear()
            pause = _SWEEP
            try:
                if self._journal.exists:
                    pause = await self._round()
                    if time.monotonic() - swept > _SWEEP:
                        await self._journal.sweep()
                        swept = time.monotonic()
            except PunaError as error:
                _log.warning("batches wait: %s", error)
                pause = _LOOK
            except Exception:  # noqa: BLE001 (the batches of everybody must not end with it)
                _log.exception("batches wait for a fault of the server")
                pause = _LOOK
            await self._something(pause)

    async def _something(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _round(self) -> float:
        """See to each batch, ask what may be asked, and return the seconds after which to look again."""
        batches = await self._journal.open_batches()
        for batch in batches:
            await self._see_to(batch["id"], batch["status"], batch["expires_at"], batch["input_file_id"])
        self._held = {owner: until for owner, until in self._held.items() if until > time.monotonic()}
        now = time.localtime()
        free = self._parallel - len(self._running)
        if free > 0 and self._hours.hold(now.tm_hour * 60 + now.tm_min):
            for item in await self._journal.waiting(self._running.keys(), self._held.keys(), free):
                task = self._running[item.key] = asyncio.create_task(self._answer(item))
                task.add_done_callback(lambda _, key=item.key: self._over(key))  # type: ignore[misc]
        left = [batch["expires_at"] - time.time() for batch in batches]
        left += [until - time.monotonic() for until in self._held.values()] if batches else []
        return max(0.1, min(_LOOK, *left)) if left else _SWEEP

    def _over(self, key: tuple[str, int]) -> None:
        del self._running[key]
        self._news.set()

    async def _see_to(self, name: str, status: str, expires: int, given: str) -> None:
        if status == "cancelling":
            await self._end(name, *_CANCELLED)
        elif time.time() >= expires:
            await self._end(name, *_EXPIRED)
        elif status == "validating":
            await self._journal.begin(name, await asyncio.to_thread(self._read, name, given))
            self._news.set()
        elif not any(batch == name for batch, _ in self._running):
            await self._journal.finish(name)

    def _read(self, name: str, given: str) -> Lines:
        try:
            return read_lines(self._journal.files.path(given))
        except Exception:  # noqa: BLE001 (it would hold up all other batches)
            _log.exception("the requests of %s cannot be read", name)
            return Lines([], "", [{"code": "input_unreadable", "message": _UNREADABLE, "line": None, "param": None}])

    async def _end(self, name: str, status: str, code: str, reason: str) -> None:
        tasks = [task for (batch, _), task in self._running.items() if batch == name]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._journal.stop(name, status, code, reason)

    async def _answer(self, item: BatchItem) -> None:
        """Get the answer to an item and write it; what cannot be written yet is kept and tried again."""
        try:
            found = await self._line(item)
            if found is None:
                return
            line, usage = found
        except Exception:  # noqa: BLE001 (what has no line would be asked for ever)
            _log.exception("a request of %s failed", item.batch)
            line, usage = error_line(item.custom_id, "server_error", "internal server error"), None
        pause = 1.0
        while True:
            try:
                await self._journal.write(item, line, usage)
                return
            except PunaError as error:
                _log.warning("an answer of %s is not written: %s", item.batch, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _line(self, item: BatchItem) -> tuple[bytes, Usage | None] | None:
        """Return what is to be written of an item and what it took, ``None`` if it has to wait for its key."""
        try:
            if not await self._journal.has_room(item.owner):
                return error_line(item.custom_id, "insufficient_storage", _FULL), None
            given = await self._journal.read(item)
        except (OSError, PunaError) as error:
            _log.warning("a request of %s cannot be read: %s", item.batch, error)
            return error_line(item.custom_id, "input_unreadable", _UNREADABLE), None
        answered = await self._answered(item, given)
        if answered.status == _LIMITED:
            self._held[item.owner] = time.monotonic() + _HOLD
            return None
        line = answer_line(item.custom_id, answered.status, answered.request_id, answered.body)
        return line, answered.usage if answered.status == _OK else None

    async def _answered(self, item: BatchItem, given: bytes) -> Answered:
        pause = 1.0
        for _ in range(_MOST_TRIES):
            answered = await self._ask(item, given)
            if answered.status != _BUSY:
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return answered
