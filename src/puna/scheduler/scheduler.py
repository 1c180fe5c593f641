"""Lends runners to requests: carries out what the policy decides, and keeps models for a while.

Requests wait here, not in the engine: a runner never has more of them than slots.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from puna.engine.config import RunnerConfig
from puna.engine.errors import ModelLoadError, RunnerCrashedError, TemplateTimeoutError
from puna.engine.runner import Runner
from puna.engine.template_trial import HARMLESS, TemplateTrials
from puna.errors import BadRequestError, NotFoundError, PunaError, UnavailableError
from puna.models.gguf import kv_cache_bytes_per_token
from puna.models.model import Model
from puna.scheduler.capacity import Capacity
from puna.scheduler.demand import Demand
from puna.scheduler.launch import (
    can_save_slots,
    demand_of,
    engine_identity,
    engine_of,
    runner_config,
    session_key,
)
from puna.scheduler.lease import Caller, Lease, LoadedModel, RequestCanceledError
from puna.scheduler.options import RunnerOptions
from puna.scheduler.policy import Action, Load, Policy, Refuse, Resident, Start, Unload
from puna.scheduler.queue import QueueFullError, Ticket
from puna.scheduler.sessions import SessionStore
from puna.scheduler.tuned import UNTUNED, Tuned
from puna.scheduler.tuning_store import TuningStore
from puna.scheduler.warm import WarmSlots
from puna.scheduler.watchdog import Watchdog
from puna.settings import Settings

_log = logging.getLogger(__name__)
_LONGEST_RETRY_AFTER = 60
_DRAIN_PAUSE = 0.05
T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Request:
    """A request that waits or runs."""

    model: Model
    options: RunnerOptions
    engine: str
    tuned: Tuned
    ticket: Ticket
    granted: asyncio.Future[LoadedModel]
    started: float = math.inf
    entry: LoadedModel | None = None
    lease: Lease | None = None
    ended_by: PunaError | None = None
    """Why it must not begin, though its turn has come."""


@dataclass(frozen=True, slots=True)
class RequestState:
    """What is known of a request. ``position`` counts those before it; times are in seconds."""

    id: str
    model: str
    client: str
    batch: bool
    running: bool
    seconds: float
    """How long it has waited, or run."""
    position: int = 0
    estimated_wait: float | None = None


class Scheduler:
    """All runners of one server."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        """Runners listen on sockets in ``directory``, which must be private to this user."""
        self._settings = settings
        self._directory = directory
        self._loaded: dict[str, LoadedModel] = {}
        self._requests: dict[str, _Request] = {}
        self._loads: set[asyncio.Task[None]] = set()
        self._unloads: set[asyncio.Task[None]] = set()
        self._gone: set[str] = set()
        """Digests of models that were deleted while requests for them waited, or they were in memory."""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.sessions = SessionStore(settings.models / "puna" / "sessions", settings.sessions)
        self._templates = TemplateTrials(settings.home / "templates", directory)
        self._tuning = TuningStore(settings.home / "tuning")
        self._capacity = Capacity(lambda: self._policy.steady, lambda: self._policy.on_cards)
        self._watchdog = Watchdog(settings.stall_timeout, self._lost)
        self._policy = Policy(
            capacity=self._capacity.bytes, max_queue=max(1, settings.max_queue), max_models=settings.max_loaded_models
        )

    @asynccontextmanager
    async def acquire(
        self, model: Model, options: RunnerOptions, keep_alive: float | None = None, caller: Caller | None = None
    ) -> AsyncIterator[Lease]:
        """Lend a slot of a runner of ``model``, loading it if need be.

        ``keep_alive`` (seconds) is how long the model stays after this request; ``None`` means the setting's.
        Raises ``QueueFullError``, ``OutOfMemoryError`` at once if the model can never fit, ``ModelLoadError``,
        ``RequestCanceledError``, and ``RunnerCrashedError`` when the runner is lost meanwhile.
        """
        started = time.perf_counter_ns()
        chosen = None
        if model.digest not in self._loaded:
            chosen = self._chosen(model)
            await self._capacity.look(chosen[0])
            await self._template_fault(model, chosen[0])  # so that nobody else's load has to wait for it
        request = self._submit(model, options, caller or Caller(), chosen)
        try:
            entry = await request.granted
            if request.ended_by:
                raise request.ended_by
            if model.digest not in self._gone:
                entry.keep_alive = self._settings.keep_alive if keep_alive is None else keep_alive
            context = min(options.num_ctx or entry.config.context, entry.config.context)
            client = entry.runner.client.borrowed()
            request.lease = Lease(entry.runner, client, context, time.perf_counter_ns() - started, entry.warm)
            self._watchdog.watch(entry, request.lease)
            try:
                yield request.lease
            except TemplateTimeoutError:
                self._lost(entry)  # it would compute for ever
                raise
            except RunnerCrashedError as error:
                failure = await request.lease.failure()
                if request.lease.ended_by is None:
                    self._lost(entry)
                raise failure from error
        finally:
            self._leave(request)

    async def run(
        self,
        model: Model,
        options: RunnerOptions,
        work: Callable[[Lease], Awaitable[T]],
        *,
        keep_alive: float | None = None,
        caller: Caller | None = None,
    ) -> T:
        """Return what ``work`` does with a lease; done once more when its runner is lost. Raises as ``acquire``."""
        caller = caller or Caller()
        try:
            async with self.acquire(model, options, keep_alive, caller) as lease:
                return await work(lease)
        except RunnerCrashedError:
            async with self.acquire(model, options, keep_alive, caller.once_more()) as lease:
                return await work(lease)

    def loaded(self) -> list[LoadedModel]:
        """Return the models in memory, the one that was used last first."""
        return sorted(self._loaded.values(), key=lambda entry: entry.resident.last_used, reverse=True)

    def requests(self) -> list[RequestState]:
        """Return the requests that run, then those that wait in the order of their turns."""
        now = time.monotonic()
        running = [self._state(request, now) for request in self._requests.values() if request.entry]
        waiting = [self._requests[ticket.id] for ticket in self._policy.queue.tickets()]
        return [*running, *(self._state(request, now) for request in waiting)]

    def cancel(self, request_id: str) -> None:
        """End a request, whether it waits or runs; raise ``NotFoundError`` if there is none of this id."""
        request = self._requests.get(request_id)
        if request is None:
            raise NotFoundError(f"no request '{request_id}' waits or runs")
        self._end(request, RequestCanceledError())
        self._pump()

    async def unload(self, model: Model) -> None:
        """Take a model out of memory as soon as no request uses it."""
        entry = self._loaded.get(model.digest)
        if entry:
            await self._dismiss(entry)

    def forget(self, digest: str) -> None:
        """Take a model that is no more out of memory, as ``unload`` does, and remove its sessions."""
        entry = self._loaded.get(digest)
        resident = digest in self._policy.residents
        if resident or self._policy.queue.head(digest):
            self._gone.add(digest)
        if resident and not entry:
            return  # it is on its way in or out; this is done when it has arrived
        if entry:
            entry.warm = None
        _in_background(self._forget(digest, entry), self._unloads)

    async def drain(self, seconds: float) -> None:
        """Turn away requests that wait, and end those that run and are not finished after so many seconds."""
        self._closed = True
        reason = UnavailableError("the server is shutting down")
        for request in list(self._requests.values()):
            self._refuse(request, reason)
        for _ in range(math.ceil(seconds / _DRAIN_PAUSE)):
            if not self._requests:
                return
            await asyncio.sleep(_DRAIN_PAUSE)
        for request in list(self._requests.values()):
            self._end(request, reason)

    async def close(self) -> None:
        """End every request that waits, and every runner."""
        await self.drain(0)
        if self._timer:
            self._timer.cancel()
        await self._watchdog.stop()
        for task in self._loads:
            task.cancel()
        await asyncio.gather(*self._loads, *self._unloads, return_exceptions=True)
        await asyncio.gather(*(self._send_away(entry.resident) for entry in list(self._loaded.values())))

    def _state(self, request: _Request, now: float) -> RequestState:
        ticket = request.ticket
        running = request.entry is not None
        return RequestState(
            id=ticket.id,
            model=str(request.model.name),
            client=ticket.client,
            batch=ticket.batch,
            running=running,
            seconds=now - (request.started if running else ticket.arrived),
            position=0 if running else self._policy.queue.position(ticket),
            estimated_wait=None if running else self._policy.estimate(ticket),
        )

    def _submit(
        self, model: Model, options: RunnerOptions, caller: Caller, chosen: tuple[str, Tuned] | None
    ) -> _Request:
        if self._closed:
            raise UnavailableError("the server is shutting down")
        if caller.id in self._requests:
            raise BadRequestError(f"another request has the id '{caller.id}'")
        if not caller.again:  # whoever asks has just found the model in the store
            self._gone.discard(model.digest)
        entry = self._loaded.get(model.digest)
        engine, tuned = (entry.config.engine, entry.tuned) if entry else chosen or self._chosen(model)
        demand = self._demand(model, options, engine, tuned)
        if entry is None or not entry.resident.serves(demand):
            if entry:  # another load: it takes what has been chosen and measured since
                engine, tuned = self._chosen(model)
                demand = self._demand(model, options, engine, tuned)
            demand = replace(demand, saved_context=self.sessions.context_of(model.digest))
            self._policy.check(demand)
        ticket = Ticket(
            caller.id, caller.client, model.digest, demand, time.monotonic(), batch=caller.batch, again=caller.again
        )
        request = _Request(model, options, engine, tuned, ticket, asyncio.get_running_loop().create_future())
        self._requests[caller.id] = request
        self._policy.submit(ticket)
        self._pump()
        displaced = self._policy.queue.overflow(ticket)
        if displaced:
            wait = self._policy.estimate(displaced) or 1
            error = QueueFullError(math.ceil(min(max(wait, 1), _LONGEST_RETRY_AFTER)))
            self._refuse(self._requests[displaced.id], error)
        return request

    def _leave(self, request: _Request) -> None:
        """Give back what a request has: its slot, or its place in the queue."""
        self._requests.pop(request.ticket.id, None)
        self._policy.queue.remove(request.ticket)
        entry = request.entry
        if entry:
            if request.lease:
                self._watchdog.forget(entry, request.lease)
                now = time.monotonic()
                self._policy.finished(entry.resident, now, now - request.started)
            else:
                self._policy.abandoned(entry.resident)
        self._pump()
        if entry and self._policy.idle(entry.resident):
            self._policy.measured(entry.resident, entry.runner.memory())
            self._keep(entry)

    def _end(self, request: _Request, reason: PunaError) -> None:
        """End a request, whether it waits, runs, or is about to."""
        if request.lease:
            request.lease.end(reason)
        elif request.granted.done():
            request.ended_by = reason
        else:
            self._refuse(request, reason)

    def _refuse(self, request: _Request, error: PunaError) -> None:
        self._policy.queue.remove(request.ticket)
        if not request.granted.done():
            request.granted.set_exception(error)
            request.granted.exception()  # seen, should nobody be left to see it

    def _pump(self) -> None:
        """Carry out what the policy decides now."""
        if self._closed:
            return
        for action in self._policy.step(time.monotonic()):
            self._do(action)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        wake = self._policy.wake()
        if math.isfinite(wake):
            self._timer = asyncio.get_running_loop().call_later(max(wake - time.monotonic(), 0.0), self._pump)

    def _do(self, action: Action) -> None:
        match action:
            case Start(ticket, resident):
                self._grant(self._requests[ticket.id], self._loaded[resident.key])
            case Load(ticket, resident):
                request = self._requests[ticket.id]
                _in_background(self._load(resident, request), self._loads)
            case Unload(resident):
                self._send_away(resident)
            case Refuse(ticket, error):
                self._refuse(self._requests[ticket.id], error)

    def _grant(self, request: _Request, entry: LoadedModel) -> None:
        request.entry = entry
        request.started = time.monotonic()
        if entry.timer:
            entry.timer.cancel()
            entry.timer = None
        if not request.granted.done():  # else it has just gone away, and gives the slot back in a moment
            request.granted.set_result(entry)

    def _keep(self, entry: LoadedModel) -> None:
        """Start the clock of an idle model."""
        if self._closed:
            return
        entry.expires_at = time.time() + entry.keep_alive
        if entry.timer:
            entry.timer.cancel()
            entry.timer = None
        if math.isfinite(entry.keep_alive):
            entry.timer = asyncio.get_running_loop().call_later(entry.keep_alive, self._expire, entry)

    def _expire(self, entry: LoadedModel) -> None:
        if self._policy.idle(entry.resident):
            self._send_away(entry.resident)

    def _chosen(self, model: Model) -> tuple[str, Tuned]:
        """Return the engine that is chosen for a model, and what is stored of how the model runs best on it here."""
        engine = engine_of(model, self._settings)
        return engine, self._tuning.get(model, engine_identity(engine))

    def _demand(self, model: Model, options: RunnerOptions, engine: str, tuned: Tuned) -> Demand:
        return demand_of(model, options, self._settings, engine, tuned, self._capacity.cards(engine))

    async def _load(self, resident: Resident, request: _Request) -> None:
        model = request.model
        try:
            runner, warm = await self._start_runner(resident, request)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody must wait for a load that is over
            _log.warning("%s", error, exc_info=None if isinstance(error, PunaError | OSError) else error)
            self._policy.gone(resident)
            failure = error if isinstance(error, PunaError) else ModelLoadError(f"cannot load {model.name}: {error}")
            for ticket in list(self._policy.queue.waiting(resident.key)):
                if resident.serves(ticket.demand):
                    self._refuse(self._requests[ticket.id], failure)
        else:
            now = time.monotonic()
            self._policy.loaded(resident, runner.memory(), now, now - runner.started_at)
            keep_alive, tuned = self._settings.keep_alive, request.tuned
            entry = LoadedModel(model, runner.config, runner, resident, keep_alive, warm, tuned)
            self._loaded[resident.key] = entry
            self._capacity.add(runner)
            runner.on_exit(lambda: self._lost(entry))
            _log_load(entry)
            self._keep(entry)
        if resident.key in self._gone:
            self.forget(resident.key)
        self._pump()

    async def _start_runner(self, resident: Resident, request: _Request) -> tuple[Runner, WarmSlots | None]:
        try:
            return await self._start(resident, request)
        except ModelLoadError as error:
            if not (error.out_of_memory or error.killed or request.tuned != UNTUNED):
                raise
            _log.warning("%s; trying once more", error)
            request.tuned = UNTUNED  # what was measured once may not be possible any more
            # The system kills without a word whoever takes more memory than there is.
            free = await self._capacity.free_on_cards(request.engine) if resident.plan.on_cards else 0
            victims = self._policy.squeeze(resident, shrink=error.out_of_memory, cards=free)
        await asyncio.gather(*(self._unload(victim) for victim in victims))
        return await self._start(resident, request)

    async def _start(self, resident: Resident, request: _Request) -> tuple[Runner, WarmSlots | None]:
        model = request.model
        config = runner_config(model, request.options, resident.plan, self._settings, request.engine, request.tuned)
        _ = model.config  # read now, for the list of models in memory: the file may be gone before the model is
        fault = await self._template_fault(model, request.engine)
        if fault:
            config = replace(config, chat_template=HARMLESS)
        warm = await asyncio.to_thread(self._warm_slots, model, config)
        runner = await Runner.start(
            str(model.name),
            replace(config, slot_directory=str(warm.place) if warm else ""),
            self._directory,
            load_timeout=self._settings.load_timeout,
            debug=self._settings.debug,
        )
        runner.client.template_fault = fault
        return runner, warm

    async def _template_fault(self, model: Model, engine: str) -> str:
        """Return why the engine cannot use the model's own chat template, "" if it can, or need not."""
        if model.is_builtin or model.template:
            return ""
        return await self._templates.fault(model.gguf, engine, engine_identity(engine))

    def _warm_slots(self, model: Model, config: RunnerConfig) -> WarmSlots | None:
        """Return the saved sessions of a model, ``None`` if there can be none."""
        if not self.sessions.limit or not can_save_slots(model, config):
            return None
        try:
            place = self.sessions.directory(session_key(model, config))
            return WarmSlots(self.sessions, place, kv_cache_bytes_per_token(model.gguf, config.kv_type))
        except OSError as error:
            _log.warning("no sessions are saved for %s: %s", model.name, error)
            return None

    async def _dismiss(self, entry: LoadedModel) -> None:
        entry.keep_alive = 0
        if self._policy.idle(entry.resident):
            # Whoever asked for this may go away, but half of it must not be done.
            await asyncio.shield(self._send_away(entry.resident))

    async def _forget(self, digest: str, entry: LoadedModel | None) -> None:
        if entry:
            await self._dismiss(entry)
        await asyncio.to_thread(self.sessions.forget, digest)

    def _send_away(self, resident: Resident) -> asyncio.Task[None]:
        """Begin to unload an idle model: no request starts on it from now on, not only once the task has begun."""
        self._policy.stop(resident)
        return _in_background(self._unload(resident), self._unloads)

    async def _unload(self, resident: Resident, *, save: bool = True) -> None:
        """End a runner that is stopping; ``save`` what its slots hold, unless it does not answer any more."""
        entry = self._loaded.pop(resident.key, None)
        try:
            if entry:
                if entry.timer:
                    entry.timer.cancel()
                if save and entry.warm and entry.runner.alive:
                    await entry.warm.save(entry.runner.client)
                await entry.runner.stop()
                self._capacity.remove(entry.runner)
        finally:
            self._policy.gone(resident)
            self._pump()
        if not self._closed:
            _in_background(self._capacity.look_again(), self._unloads)
        if resident.key in self._gone:
            await asyncio.to_thread(self.sessions.forget, resident.key)

    def _lost(self, entry: LoadedModel) -> None:
        """End a runner that is of no use any more, or has ended by itself; the next request gets a fresh one."""
        if entry.resident.ready:
            self._policy.stop(entry.resident)
            _in_background(self._bury(entry), self._unloads)

    async def _bury(self, entry: LoadedModel) -> None:
        entry.runner.kill()
        _log.error("%s", await entry.runner.crash_error())
        await self._unload(entry.resident, save=False)


def _in_background(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def _log_load(entry: LoadedModel) -> None:
    _log.info(
        "loaded %s in %.2f s: context %d, %d slots, %.0f MiB",
        entry.model.name,
        entry.resident.load_seconds,
        entry.config.context,
        entry.config.parallel,
        entry.size / (1 << 20),
    )
