"""Models in memory: how they come, how long they stay, how they go."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from puna.engine.errors import ModelLoadError
from puna.errors import PunaError
from puna.models.model import Model
from puna.scheduler.admission import Admission, Request
from puna.scheduler.capacity import Capacity
from puna.scheduler.lease import LoadedModel
from puna.scheduler.loader import Loader
from puna.scheduler.policy import Policy, Resident
from puna.settings import Settings
from puna.telemetry.counts import COUNTS
from puna.telemetry.metrics import count_load

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MemoryParts:
    """What of a model's memory is which, in bytes.

    ``weights`` are those of its files, which are mapped where that can be and then shared with the system's own cache;
    ``contexts`` what its slots may fill; ``used`` what its processes hold now that nobody else could use.
    """

    weights: int
    contexts: int
    used: int

    def plus(self, other: "MemoryParts") -> "MemoryParts":
        """Return what both are together."""
        return MemoryParts(self.weights + other.weights, self.contexts + other.contexts, self.used + other.used)


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model in memory. Sizes are in bytes, ``context`` in tokens per request.

    ``expires_at`` is in seconds since the epoch, infinite for a model that stays.
    """

    model: Model
    size: int
    size_on_cards: int
    context: int
    expires_at: float
    speculation: str = ""
    """llama.cpp's name of the way in which tokens are guessed ahead, and how many; "" for none."""
    guesses: int = 0
    memory: MemoryParts = MemoryParts(0, 0, 0)


@dataclass(frozen=True, slots=True)
class LoadState:
    """A load under way, and for how many seconds."""

    model: str
    seconds: float


class Residency:
    """The runners of one server.

    ``changed`` is called when the policy may find something to do, ``lost`` when a runner has ended by itself.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        policy: Policy,
        capacity: Capacity,
        admission: Admission,
        *,
        changed: Callable[[], None],
        lost: Callable[[LoadedModel], None],
    ) -> None:
        self.loaded: dict[str, LoadedModel] = {}
        self.loader = Loader(settings, directory, policy, capacity, self._make_room)
        self.sessions = self.loader.sessions
        self._settings = settings
        self._policy = policy
        self._capacity = capacity
        self._admission = admission
        self._changed = changed
        self._lost = lost
        self._loads: dict[Resident, tuple[asyncio.Task[None], Request]] = {}
        self._unloads: set[asyncio.Task[None]] = set()
        self._gone: set[str] = set()
        """Digests of models that were deleted while requests for them waited, or they were in memory."""
        self._closed = False

    def of(self, digest: str) -> list[LoadedModel]:
        """Return the runners of a model."""
        return [entry for entry in self.loaded.values() if entry.model.digest == digest]

    def states(self) -> list[ModelState]:
        """Return the models in memory, the one that stays longest first, as Ollama has them."""
        by_model: dict[str, list[LoadedModel]] = {}
        for entry in sorted(self.loaded.values(), key=lambda entry: entry.resident.key):
            by_model.setdefault(entry.model.digest, []).append(entry)
        return sorted(map(_state, by_model.values()), key=lambda state: state.expires_at, reverse=True)

    def loading(self) -> list[LoadState]:
        """Return the loads under way."""
        now = time.monotonic()
        return [
            LoadState(str(request.model.name), now - resident.last_used)
            for resident, (_, request) in self._loads.items()
        ]

    def returned(self, digest: str) -> None:
        """Note that somebody has just found a model in the store."""
        self._gone.discard(digest)

    def begin(self, resident: Resident, request: Request) -> None:
        """Load the model that a request wants."""
        task = asyncio.create_task(self._load(resident, request))
        self._loads[resident] = task, request
        task.add_done_callback(lambda _: self._ended(resident))

    def _ended(self, resident: Resident) -> None:
        del self._loads[resident]
        if resident.loads:  # the load was ended before it had begun
            self._policy.gone(resident)
            self._changed()

    def end_unwanted_loads(self) -> None:
        """End the loads that nobody waits for any more."""
        for resident, (task, _) in self._loads.items():
            if resident.loads and not task.cancelling() and not self._policy.wanted(resident):
                task.cancel()

    def keep(self, model: Model, seconds: float | None) -> None:
        """Note for how long a model is to stay after what it does now; ``None`` is the settings' time."""
        if model.digest not in self._gone:
            for entry in self.of(model.digest):
                section = self._settings.sections.of(entry.model.name)
                entry.keep_alive = section.stay(seconds, self._settings.keep_alive)
                if entry.resident.demand.pinned != section.pinned:
                    entry.resident.demand = replace(entry.resident.demand, pinned=section.pinned)

    def settle(self, model: Model) -> None:
        """Let a model stay as the settings say by now, from now on."""
        self.keep(model, None)
        for entry in self.of(model.digest):
            if self._policy.idle(entry.resident):
                self._start_clock(entry)

    def in_use(self, entry: LoadedModel) -> None:
        """Stop the clock of a model."""
        if entry.timer:
            entry.timer.cancel()
            entry.timer = None

    def left(self, entry: LoadedModel) -> None:
        """Note that a request has left a runner; start the clock of its model if that was the last."""
        if self._policy.idle(entry.resident):
            self._policy.measured(entry.resident, entry.runner.memory())
        for other in self.of(entry.model.digest):
            if self._policy.idle(other.resident):
                self._start_clock(other)

    async def unload(self, digest: str) -> None:
        """Take a model out of memory as soon as no request uses it."""
        for entry in self.of(digest):
            entry.keep_alive = 0
            entry.expires_at = time.time()
        # Whoever asked for this may go away, but half of it must not be done.
        leaving = [self.send_away(entry.resident) for entry in self.of(digest) if self._policy.idle(entry.resident)]
        if leaving:
            await asyncio.shield(asyncio.gather(*leaving))

    def forget(self, digest: str) -> None:
        """Take a model that is no more out of memory, as ``unload`` does, and remove its sessions."""
        residents = [other for other in self._policy.residents.values() if other.model == digest]
        if residents or any(ticket.demand.model == digest for ticket in self._policy.queue.tickets()):
            self._gone.add(digest)
        entries = self.of(digest)
        if len(entries) < len(residents):
            return  # one is on its way in or out; this is done when it has arrived
        for entry in entries:
            entry.warm = None
        _in_background(self._forget(digest), self._unloads)

    def send_away(self, resident: Resident) -> asyncio.Task[None]:
        """Begin to unload an idle model: no request starts on it from now on, not only once the task has begun."""
        self._policy.stop(resident)
        return _in_background(self._unload(resident), self._unloads)

    def lost(self, entry: LoadedModel, company: int) -> None:
        """End a runner that is of no use any more, or has ended by itself; the next request gets a fresh one.

        ``company`` is for how many requests it worked.
        """
        if entry.resident.ready:
            entry.company = company
            self._policy.stop(entry.resident)
            _in_background(self._bury(entry), self._unloads)

    async def close(self) -> None:
        """End all runners."""
        self._closed = True
        loads = [task for task, _ in self._loads.values()]
        for task in loads:
            task.cancel()
        await asyncio.gather(*loads, *self._unloads, return_exceptions=True)
        await self.loader.close()
        await asyncio.gather(*(self.send_away(entry.resident) for entry in list(self.loaded.values())))

    def _start_clock(self, entry: LoadedModel) -> None:
        if self._closed:
            return
        entry.expires_at = time.time() + entry.keep_alive
        self.in_use(entry)
        if math.isfinite(entry.keep_alive):
            entry.timer = asyncio.get_running_loop().call_later(entry.keep_alive, self._expire, entry)

    def _expire(self, entry: LoadedModel) -> None:
        if self._policy.idle(entry.resident):
            self.send_away(entry.resident)

    async def _load(self, resident: Resident, request: Request) -> None:
        name = request.model.name
        try:
            entry = await self.loader.load(resident, request)
        except asyncio.CancelledError:
            _log.info("the load of %s was ended: nobody waits for it", name)
            self._policy.gone(resident)  # whoever has come for it since then waits for another load
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody must wait for a load that is over
            _log.warning("%s", error, exc_info=None if isinstance(error, PunaError | OSError) else error)
            self._policy.gone(resident)
            failure = error if isinstance(error, PunaError) else ModelLoadError(f"cannot load {name}: {error}")
            COUNTS.add("puna_model_load_failures", (str(name),))
            self._admission.fail(resident, failure)
        else:
            self._arrived(entry)
        if request.model.digest in self._gone:
            self.forget(request.model.digest)
        self._changed()
        arrived = self.loaded.get(resident.key)
        if arrived and self._policy.idle(resident):
            self._start_clock(arrived)

    def _arrived(self, entry: LoadedModel) -> None:
        now = time.monotonic()
        self._policy.loaded(entry.resident, entry.runner.memory(), now, now - entry.runner.started_at)
        self.loaded[entry.resident.key] = entry
        self._capacity.add(entry.runner)
        entry.runner.on_exit(lambda: self._lost(entry))
        count_load(str(entry.model.name), entry.resident.load_seconds)
        _log.info(
            "loaded %s in %.2f s: context %d, %d slots, %.0f MiB",
            entry.model.name,
            entry.resident.load_seconds,
            entry.config.context,
            entry.config.parallel,
            entry.size / (1 << 20),
        )

    async def _make_room(self, victims: list[Resident]) -> None:
        # A load that is ended meanwhile must not leave somebody half unloaded.
        await asyncio.shield(asyncio.gather(*(self.send_away(victim) for victim in victims)))

    async def _forget(self, digest: str) -> None:
        await self.unload(digest)
        await asyncio.to_thread(self.sessions.forget, digest)

    async def _unload(self, resident: Resident, *, save: bool = True) -> None:
        """End a runner that is stopping; ``save`` what its slots hold, unless it does not answer any more."""
        entry = self.loaded.pop(resident.key, None)
        try:
            if entry:
                self.in_use(entry)
                if save and entry.warm and entry.runner.alive:
                    await entry.warm.save(entry.runner.client)
                await entry.runner.stop()
                COUNTS.add("puna_model_unloads", (str(entry.model.name),))
                self._capacity.remove(entry.runner)
        finally:
            self._policy.gone(resident)
            self._changed()
        if not self._closed:
            _in_background(self._capacity.look_again(), self._unloads)
        if resident.model in self._gone:
            await asyncio.to_thread(self.sessions.forget, resident.model)

    async def _bury(self, entry: LoadedModel) -> None:
        entry.runner.kill()
        COUNTS.add("puna_runner_losses", (str(entry.model.name), entry.lost_by))
        _log.error("%s", await entry.runner.crash_error())
        await self._unload(entry.resident, save=False)


def _state(entries: list[LoadedModel]) -> ModelState:
    """Return a model's state, which may have two runners.

    As in Ollama, one that answers is said to leave when it was to leave before it began; but no time that has passed.
    """

    def ends(entry: LoadedModel) -> float:
        if entry.expires_at is None or (entry.users and entry.expires_at < time.time()):
            return time.time() + entry.keep_alive
        return entry.expires_at

    first = entries[0]
    return ModelState(
        model=first.model,
        size=sum(entry.size for entry in entries),
        size_on_cards=sum(entry.size_on_cards for entry in entries),
        context=first.config.context,
        speculation=first.config.speculation,
        guesses=first.config.draft_tokens,
        memory=MemoryParts(
            weights=sum(entry.resident.demand.footprint.weights for entry in entries),
            contexts=sum(_contexts(entry) for entry in entries),
            used=sum(entry.runner.private_memory() for entry in entries),
        ),
        expires_at=max(math.inf if entry.keep_alive == math.inf else ends(entry) for entry in entries),
    )


def _contexts(entry: LoadedModel) -> int:
    return entry.resident.demand.footprint.cache(entry.config.context, entry.config.parallel)


def _in_background(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task
