"""Lends runners to requests: loads models, keeps them for a while, makes room for others, bounds the queue."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from puna.engine.config import RunnerConfig
from puna.engine.runner import Runner
from puna.errors import UnavailableError
from puna.models.library import Model
from puna.scheduler.launch import footprint, runner_config
from puna.scheduler.memory import Plan, plan
from puna.scheduler.options import RunnerOptions
from puna.settings import Settings

_log = logging.getLogger(__name__)
_RETRY_AFTER_SECONDS = 1


@dataclass(eq=False)
class LoadedModel:
    """A model in memory. ``users`` counts the requests that hold it or wait for one of its slots."""

    model: Model
    options: RunnerOptions
    config: RunnerConfig
    runner: Runner
    size: int
    slots: asyncio.Semaphore
    keep_alive: float
    users: int = 0
    last_used: float = field(default_factory=time.monotonic)
    expires_at: float = math.inf
    """Wall-clock time (seconds since the epoch) at which it leaves memory unless it is used before."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    retiring: bool = False
    timer: asyncio.TimerHandle | None = None

    def serves(self, options: RunnerOptions) -> bool:
        """Return whether a request with these options can use the runner as it is."""
        if self.retiring or not self.runner.alive:
            return False
        same_context = options.num_ctx in (self.options.num_ctx, self.config.context)
        return same_context and replace(options, num_ctx=0) == replace(self.options, num_ctx=0)


@dataclass(frozen=True, slots=True)
class Lease:
    """A slot of a runner, held for one request. ``load_duration`` is in nanoseconds, waiting included."""

    runner: Runner
    load_duration: int

    @property
    def context(self) -> int:
        """Return the tokens that the slot holds."""
        return self.runner.config.context


class Scheduler:
    """All runners of one server."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        """Runners listen on sockets in ``directory``, which must be private to this user."""
        self._settings = settings
        self._directory = directory
        self._loaded: dict[str, LoadedModel] = {}
        self._changes: dict[str, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._room = asyncio.Lock()
        self._someone_idle = asyncio.Condition()
        self._pending = 0

    @asynccontextmanager
    async def acquire(
        self, model: Model, options: RunnerOptions, keep_alive: float | None = None
    ) -> AsyncIterator[Lease]:
        """Lend a slot of a runner of ``model``, loading it if need be.

        ``keep_alive`` (seconds) is how long the model stays after this request; ``None`` means the setting's.
        Raises ``UnavailableError`` when too many requests wait, ``OutOfMemoryError`` and ``ModelLoadError``.
        """
        started = time.perf_counter_ns()
        if self._pending >= self._settings.max_queue:
            raise UnavailableError(
                "server busy, please try again.  maximum pending requests exceeded", _RETRY_AFTER_SECONDS
            )
        self._pending += 1
        waiting = True
        try:
            entry = await self._enter(model, options)
            try:
                entry.keep_alive = self._settings.keep_alive if keep_alive is None else keep_alive
                async with entry.slots:
                    self._pending -= 1
                    waiting = False
                    yield Lease(entry.runner, time.perf_counter_ns() - started)
            finally:
                await self._leave(entry)
        finally:
            self._pending -= waiting

    def loaded(self) -> list[LoadedModel]:
        """Return the models in memory, the one that was used last first."""
        return sorted(self._loaded.values(), key=lambda entry: entry.last_used, reverse=True)

    async def unload(self, model: Model) -> None:
        """Take a model out of memory as soon as no request uses it."""
        entry = self._loaded.get(model.digest)
        if entry is None:
            return
        entry.keep_alive = 0
        if entry.users == 0:
            await self._retire(entry)

    async def close(self) -> None:
        """End every runner."""
        for task in [*self._changes.values(), *self._background]:
            task.cancel()
        await asyncio.gather(*self._changes.values(), *self._background, return_exceptions=True)
        await asyncio.gather(*(self._retire(entry) for entry in list(self._loaded.values())))

    async def _enter(self, model: Model, options: RunnerOptions) -> LoadedModel:
        while True:
            entry = self._loaded.get(model.digest)
            if entry and entry.serves(options):
                entry.users += 1
                entry.idle.clear()
                if entry.timer:
                    entry.timer.cancel()
                return entry
            change = self._changes.get(model.digest)
            if change is None:
                change = asyncio.create_task(self._load(model, options))
                self._changes[model.digest] = change
                change.add_done_callback(lambda task: self._changed(model, task))
            # A client that goes away must not end a load that others wait for.
            await asyncio.shield(change)

    def _changed(self, model: Model, task: asyncio.Task[None]) -> None:
        self._changes.pop(model.digest, None)
        if not task.cancelled() and (error := task.exception()):
            _log.warning("%s", error)  # whoever still waits gets it as well

    async def _leave(self, entry: LoadedModel) -> None:
        entry.users -= 1
        entry.last_used = time.monotonic()
        if entry.users == 0:
            entry.idle.set()
            if not entry.retiring:
                self._keep(entry)
            async with self._someone_idle:
                self._someone_idle.notify_all()

    def _keep(self, entry: LoadedModel) -> None:
        """Start the clock of an idle model."""
        entry.expires_at = time.time() + entry.keep_alive
        if math.isfinite(entry.keep_alive):
            entry.timer = asyncio.get_running_loop().call_later(entry.keep_alive, self._expire, entry)

    def _expire(self, entry: LoadedModel) -> None:
        if entry.users == 0:
            self._in_background(self._retire(entry))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _load(self, model: Model, options: RunnerOptions) -> None:
        old = self._loaded.get(model.digest)
        if old:
            old.retiring = True  # so that new requests wait for the new runner instead of keeping the old one busy
            await old.idle.wait()
            await self._retire(old)
        async with self._room:
            chosen = await self._make_room(model, options)
            config = runner_config(model, options, chosen, self._settings)
            started = time.monotonic()
            runner = await Runner.start(
                str(model.name),
                config,
                self._directory,
                load_timeout=self._settings.load_timeout,
                debug=self._settings.debug,
            )
            entry = LoadedModel(
                model=model,
                options=options,
                config=config,
                runner=runner,
                size=max(chosen.size, runner.memory()),
                slots=asyncio.Semaphore(config.parallel),
                keep_alive=self._settings.keep_alive,
            )
        _log.info(
            "loaded %s in %.2f s: context %d, %d slots, %.0f MiB",
            model.name,
            time.monotonic() - started,
            config.context,
            config.parallel,
            entry.size / (1 << 20),
        )
        entry.idle.set()
        self._loaded[model.digest] = entry
        self._keep(entry)
        runner.on_exit(lambda: self._forget(entry))

    async def _make_room(self, model: Model, options: RunnerOptions) -> Plan:
        """Unload idle models, the least recently used first, until this one fits; wait while all are busy."""
        needs = footprint(model, self._settings)
        context = options.num_ctx or self._settings.context_length
        parallel = self._settings.num_parallel
        while True:
            available = psutil.virtual_memory().available
            reclaimable = sum(entry.size for entry in self._loaded.values())
            wanted = plan(needs, context=context, parallel=parallel, available=available + reclaimable)
            limit = self._settings.max_loaded_models
            if wanted.size <= available and (not limit or len(self._loaded) < limit):
                return wanted
            idle = [entry for entry in self._loaded.values() if entry.users == 0]
            if idle:
                await self._retire(min(idle, key=lambda entry: entry.last_used))
            elif self._loaded:
                async with self._someone_idle:
                    await self._someone_idle.wait()
            else:
                return plan(needs, context=context, parallel=parallel, available=available)

    async def _retire(self, entry: LoadedModel) -> None:
        entry.retiring = True
        if entry.timer:
            entry.timer.cancel()
        if self._loaded.get(entry.model.digest) is entry:
            del self._loaded[entry.model.digest]
        await entry.runner.stop()

    def _forget(self, entry: LoadedModel) -> None:
        """Take a runner that ended by itself out of the table, so that the next request gets a fresh one."""
        if self._loaded.get(entry.model.digest) is entry:
            del self._loaded[entry.model.digest]
            self._in_background(self._bury(entry))

    async def _bury(self, entry: LoadedModel) -> None:
        _log.error("%s", await entry.runner.crash_error())
        await self._retire(entry)
