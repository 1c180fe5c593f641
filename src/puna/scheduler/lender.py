"""Lends slots of runners to requests, and carries out what the policy decides.

Requests wait here, not in the engine: a runner never has more of them than slots.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from puna.engine.engines import about_of
from puna.engine.errors import RunnerCrashedError, TemplateTimeoutError
from puna.errors import UnavailableError
from puna.models.model import Model
from puna.scheduler.admission import Admission, Request, RequestState, ending
from puna.scheduler.capacity import Capacity
from puna.scheduler.demand import Demand
from puna.scheduler.lanes import Lane, Lanes
from puna.scheduler.lease import Caller, Lease, LoadedModel, RunnerHeldError, RunnerStalledError
from puna.scheduler.options import RunnerOptions
from puna.scheduler.policy import Action, Load, Policy, Refuse, Start, Unload
from puna.scheduler.queue import Ticket
from puna.scheduler.residency import LoadState, ModelState, Residency
from puna.scheduler.tuned import Tuned
from puna.scheduler.watchdog import Watchdog
from puna.settings import Settings

_DRAIN_PAUSE = 0.05
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a request needs, and whether a runner that is there serves it as it is."""

    lane: Lane
    engine: str
    tuned: Tuned
    demand: Demand
    is_served: bool


class Lender:
    """All runners of one server."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        """Runners listen on sockets in ``directory``, which must be private to this user."""
        self._sections = settings.sections
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._capacity = Capacity(lambda: self._policy.steady, lambda: self._policy.on_cards)
        self._policy = Policy(
            capacity=self._capacity.bytes, max_queue=max(1, settings.max_queue), max_models=settings.max_loaded_models
        )
        self._admission = Admission(self._policy)
        self._residency = Residency(
            settings, directory, self._policy, self._capacity, self._admission, changed=self._pump, lost=self._lost
        )
        self._loader = self._residency.loader
        self._lanes = Lanes(settings, self._policy, self._loader)
        self._watchdog = Watchdog(settings.stall_timeout, self._lost)
        self.sessions = self._residency.sessions

    @asynccontextmanager
    async def acquire(
        self, model: Model, options: RunnerOptions, keep_alive: float | None = None, caller: Caller | None = None
    ) -> AsyncIterator[Lease]:
        """Lend a slot of a runner of ``model``, loading it if need be.

        ``keep_alive`` (seconds) is how long the model stays after this request; ``None`` means the setting's.
        Raises ``QueueFullError``, ``OutOfMemoryError`` at once if the model can never fit, ``ModelLoadError``,
        ``RequestCanceledError``, and ``RunnerCrashedError`` when the runner is lost meanwhile: ``Caller.after`` tells
        whether the request may run again.
        """
        started = time.perf_counter_ns()
        chosen = None
        if not self._residency.of(model.digest):
            chosen = await self._loader.choose(model, options)
            await self._capacity.look(chosen[0])
            await self._loader.template_fault(model, chosen[0])  # so that nobody else's load has to wait for it
        needs = self._needs(model, options, chosen)
        if not needs.is_served:
            saved = await asyncio.to_thread(self.sessions.context_of, model.digest)
            needs = self._needs(model, options, chosen, saved)  # another's load may have ended meanwhile
        request, lane = self._submit(model, needs, caller or Caller()), needs.lane
        try:
            entry = await request.granted
            if request.ended_by:
                raise request.ended_by
            self._residency.keep(model, keep_alive)
            context = min(lane.context or entry.config.context, entry.config.context)
            client = entry.runner.client.borrowed()
            waited = time.perf_counter_ns() - started
            arrived_since = entry.resident.loaded_at >= request.ticket.arrived
            loading = min(waited, int(entry.resident.load_seconds * 1e9)) if arrived_since else 0
            lease = request.lease = Lease(entry.runner, client, context, waited, request.ticket, entry.warm, loading)
            self._watchdog.watch(entry, lease)
            broken_off = True
            try:
                yield lease
                broken_off = False
            except TemplateTimeoutError as error:
                name, seconds = entry.runner.name, error.seconds
                if not self._watchdog.computes(entry, seconds / 2):  # the template is not to blame
                    self._watchdog.give_up(entry, RunnerStalledError(name, seconds))
                    raise await lease.failure(entry.company) from error
                self._watchdog.give_up(entry, RunnerHeldError(name, seconds))  # it would compute for ever
                raise
            except RunnerCrashedError as error:
                if lease.ended_by is None:
                    self._lost(entry)
                raise await lease.failure(entry.company) from error
            finally:
                client.leave_turn()
                self._watchdog.release(entry, lease, broken_off=broken_off)
        finally:
            self._admission.leave(request)
            self._pump()
            if request.entry:
                self._residency.left(request.entry)

    async def run(
        self,
        model: Model,
        options: RunnerOptions,
        work: Callable[[Lease], Awaitable[T]],
        *,
        keep_alive: float | None = None,
        caller: Caller | None = None,
    ) -> T:
        """Return what ``work`` does with a lease, done again if its runner is lost by others. Raises as ``acquire``."""
        caller = caller or Caller()
        while True:
            try:
                async with self.acquire(model, options, keep_alive, caller) as lease:
                    return await work(lease)
            except RunnerCrashedError as error:
                caller = caller.after(error)

    def loaded(self) -> list[LoadedModel]:
        """Return the runners in memory, the one that was used last first."""
        return sorted(self._residency.loaded.values(), key=lambda entry: entry.resident.last_used, reverse=True)

    def memory(self) -> int:
        """Return the bytes that the machine has for models, those in memory included."""
        return self._capacity.bytes()

    def models(self) -> list[ModelState]:
        """Return the models in memory, the one that stays longest first."""
        return self._residency.states()

    def predicts(self, model: Model, options: RunnerOptions) -> bool:
        """Return whether the engine that is chosen for a model makes use of predictions. Reads files."""
        return about_of(self._loader.chosen(model, options)[0]).predicts

    def loading(self) -> list[LoadState]:
        """Return the loads under way."""
        return self._residency.loading()

    def requests(self) -> list[RequestState]:
        """Return the requests that run or are ending, then those that wait in the order of their turns."""
        return [*map(ending, self._watchdog.gone()), *self._admission.states()]

    def cancel(self, request_id: str) -> None:
        """End a request, whether it waits or runs; raise ``NotFoundError`` if there is none of this id."""
        self._admission.cancel(request_id)
        self._pump()

    async def unload(self, model: Model) -> None:
        """Take a model out of memory as soon as no request uses it."""
        await self._residency.unload(model.digest)

    def settle(self, model: Model) -> None:
        """Let what the settings say of a model by now hold for the runners that it has."""
        self._residency.settle(model)
        self._pump()

    def forget(self, digest: str) -> None:
        """Take a model that is no more out of memory, as ``unload`` does, and remove its sessions."""
        self._residency.forget(digest)

    async def drain(self, seconds: float) -> None:
        """Turn away requests that wait, and end those that run and are not finished after so many seconds."""
        self._closed = True
        reason = UnavailableError("the server is shutting down")
        for request in self._admission:
            self._admission.refuse(request, reason)
        await self._loader.close()
        for _ in range(math.ceil(seconds / _DRAIN_PAUSE)):
            if not self._admission:
                return
            await asyncio.sleep(_DRAIN_PAUSE)
        for request in self._admission:
            self._admission.end(request, reason)

    async def close(self) -> None:
        """End every request that waits, and every runner."""
        await self.drain(0)
        if self._timer:
            self._timer.cancel()
        await self._watchdog.stop()
        await self._residency.close()

    def _needs(
        self, model: Model, options: RunnerOptions, chosen: tuple[str, Tuned] | None, saved_context: int = 0
    ) -> _Needs:
        """Return what a request needs; ``saved_context`` counts where a runner has to be loaded for it."""
        lane = self._lanes.of(model, options)
        entry = self._residency.loaded.get(lane.key)
        if entry:
            demand = self._loader.demand(model, lane.options, entry.config.engine, entry.tuned)
            if entry.resident.serves(demand):
                return _Needs(lane, entry.config.engine, entry.tuned, demand, is_served=True)
            chosen = None  # another load: it takes what has been chosen and measured since
        engine, tuned = chosen or self._loader.chosen(model, lane.options)
        demand = self._loader.demand(model, lane.options, engine, tuned)
        return _Needs(lane, engine, tuned, replace(demand, saved_context=saved_context), is_served=False)

    def _submit(self, model: Model, needs: _Needs, caller: Caller) -> Request:
        if self._closed:
            raise UnavailableError("the server is shutting down")
        if not caller.losses:  # whoever asks has just found the model in the store
            self._residency.returned(model.digest)
        lane = needs.lane
        demand = replace(needs.demand, model=model.digest, pinned=self._sections.of(model.name).pinned)
        if not needs.is_served:
            self._policy.check(demand)
        again = caller.losses > 0
        ticket = Ticket(
            caller.id,
            caller.client,
            lane.key,
            demand,
            time.monotonic(),
            batch=caller.batch,
            weight=caller.weight,
            again=again,
            alone=caller.alone,
        )
        granted = asyncio.get_running_loop().create_future()
        request = Request(model, lane.options, needs.engine, needs.tuned, ticket, granted)
        self._admission.add(request)
        self._pump()
        self._admission.bound(request)
        return request

    def _lost(self, entry: LoadedModel) -> None:
        self._residency.lost(entry, self._watchdog.company(entry))

    def _pump(self) -> None:
        """Carry out what the policy decides now."""
        if self._closed:
            return
        self._residency.end_unwanted_loads()
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
                entry = self._residency.loaded[resident.key]
                self._residency.in_use(entry)
                self._admission.grant(self._admission.of(ticket), entry)
            case Load(ticket, resident):
                self._residency.begin(resident, self._admission.of(ticket))
            case Unload(resident):
                self._residency.send_away(resident)
            case Refuse(ticket, error):
                self._admission.refuse(self._admission.of(ticket), error)
