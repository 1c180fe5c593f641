"""Replays a trace through the router that a cluster runs, on machines of plain arithmetic, with a clock that is free.

Everything follows from the trace. A machine has memory and loads, answers and forgets as a node does: models that are
idle make room, the one that was unused longest first, and every model that is loaded has some slots.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from puna.cluster.prefixes import Beginning, Prefixes
from puna.cluster.routing import Ask, Costs, Place, Refuse, Retire, Router
from puna.cluster.state import Held, NodeState
from puna.scheduler.demand import Demand
from puna.scheduler.memory import Footprint
from puna.scheduler.queue import Ticket

_CACHED_CONVERSATIONS = 8
"""Conversations whose caches a model in memory keeps for each slot, in memory or saved."""


@dataclass(frozen=True, slots=True)
class SimModel:
    """A model: its bytes, its slots, and the characters that it reads and writes in a second for each request."""

    size: int
    slots: int = 4
    read_rate: float = 2000.0
    write_rate: float = 120.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: when it comes (seconds), from whom, for which model, its prompt, the characters of its answer."""

    at: float
    client: str
    model: str
    beginning: Beginning
    answer: int
    conversation: str = ""
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """A node that is lost at a time (seconds), and comes back empty after so many."""

    at: float
    node: int
    away: float


@dataclass(slots=True)
class Outcome:
    """What became of a request: the seconds until its slot and its first piece, the characters that a cache held."""

    arrival: Arrival
    waited: float = math.nan
    first: float = math.nan
    ended: float = math.nan
    cached: int = 0
    error: str = ""
    moved: int = 0


@dataclass(slots=True)
class Result:
    """The outcomes in the order of the trace, and what was done for them."""

    outcomes: list[Outcome]
    loads: int = 0
    bytes_moved: int = 0
    steps: int = 0
    step_seconds: float = 0.0
    longest_table: int = 0


@dataclass(eq=False)
class _Machine:
    name: str
    memory: int
    stored: set[str]
    held: dict[str, float] = field(default_factory=dict)
    """When each model in memory was last used."""
    ready: dict[str, float] = field(default_factory=dict)
    busy: Counter[str] = field(default_factory=Counter)
    caches: dict[str, dict[int, None]] = field(default_factory=dict)
    alive: bool = True


class Simulation:
    """One run. ``stored`` are the models that each machine has on its disk at the start."""

    def __init__(
        self,
        models: Mapping[str, SimModel],
        memories: Sequence[int],
        stored: Sequence[set[str]],
        *,
        costs: Costs | None = None,
        max_queue: int = 100_000,
        prefixes: Prefixes | None = None,
        timer: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """``timer`` tells the real time, to measure what the router's steps take; ``prefixes`` is its table."""
        self._models = models
        self._costs = costs or Costs()
        self._router = Router(max_queue=max_queue, costs=self._costs, prefixes=prefixes)
        self._machines = [
            _Machine(f"n{at}", memory, set(have))
            for at, (memory, have) in enumerate(zip(memories, stored, strict=True))
        ]
        self._by_name = {machine.name: machine for machine in self._machines}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0
        self._outcomes: dict[str, Outcome] = {}
        self._asks: dict[str, Ask] = {}
        self._tries: Counter[str] = Counter()
        self._woken = math.inf
        self._timer = timer
        self._result = Result([])

    def run(self, trace: Iterable[Arrival], faults: Iterable[Fault] = ()) -> Result:
        """Return what becomes of a trace."""
        for machine in self._machines:
            self._beat(machine, 0.0)
        for number, arrival in enumerate(trace):
            outcome = Outcome(arrival)
            self._result.outcomes.append(outcome)
            self._outcomes[str(number)] = outcome
            self._at(arrival.at, lambda now, key=str(number): self._arrive(key, now))  # type: ignore[misc]
        for fault in faults:
            self._at(fault.at, lambda now, fault=fault: self._fail(fault, now))  # type: ignore[misc]
        while self._events:
            now, _, happen = heapq.heappop(self._events)
            happen(now)
            self._pump(now)
        return self._result

    def _at(self, time: float, happen: Callable[[float], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (time, self._number, happen))

    def _pump(self, now: float) -> None:
        began = self._timer()
        actions = self._router.step(now)
        self._result.step_seconds += self._timer() - began
        self._result.steps += 1
        self._result.longest_table = max(self._result.longest_table, len(self._router.prefixes))
        for action in actions:
            match action:
                case Place(ask, node):
                    self._begin(ask, self._by_name[node], now)
                case Refuse(ask, error):
                    self._outcomes[ask.ticket.id].error = str(error)
                case Retire(node, digest):
                    self._unload(self._by_name[node], digest, now)
        if len(self._router.queue) and self._woken == math.inf:
            self._woken = max(self._router.wake(), now)
            self._at(self._woken, self._wake)

    def _wake(self, _now: float) -> None:
        self._woken = math.inf

    def _arrive(self, key: str, now: float) -> None:
        arrival = self._outcomes[key].arrival
        size = self._models[arrival.model].size
        demand = Demand(Footprint(size, 0, 0))
        ticket = Ticket(key, arrival.client, arrival.model, demand, now, batch=arrival.batch)
        ask = self._asks[key] = Ask(ticket, size, arrival.beginning, arrival.conversation)
        displaced = self._router.submit(ask)
        if displaced:
            self._outcomes[displaced.ticket.id].error = str(self._router.full(displaced))

    def _begin(self, ask: Ask, machine: _Machine, now: float) -> None:
        key, digest = ask.ticket.id, ask.digest
        outcome, model = self._outcomes[key], self._models[digest]
        ready = self._load(machine, digest, now)
        machine.busy[digest] += 1
        machine.held[digest] = now
        cache = machine.caches.setdefault(digest, {})
        known = 0
        for step in ask.beginning:
            if step.hash not in cache:
                break
            known = step.chars
        for step in ask.beginning:
            cache.pop(step.hash, None)
            cache[step.hash] = None
        most = _CACHED_CONVERSATIONS * model.slots * 16
        while len(cache) > most:
            del cache[next(iter(cache))]
        first = ready + (ask.chars - known) / model.read_rate
        ended = first + outcome.arrival.answer / model.write_rate
        outcome.waited, outcome.cached = now - outcome.arrival.at, known
        self._tries[key] += 1
        tries = self._tries[key]

        def begun(at: float) -> None:
            if self._tries[key] == tries and machine.alive:
                outcome.first = at - outcome.arrival.at

        def end(at: float) -> None:
            if self._tries[key] == tries and machine.alive:
                outcome.ended = at - outcome.arrival.at
                machine.busy[digest] -= 1
                machine.held[digest] = at
                self._router.read(ask, first - ready, ask.chars - known)
                self._router.leave(ask, at, answered=True)

        self._at(first, begun)
        self._at(ended, end)

    def _load(self, machine: _Machine, digest: str, now: float) -> float:
        """Return when a model is in memory of a machine; others that are idle make room for it."""
        if digest in machine.ready:
            return max(machine.ready[digest], now)
        size = self._models[digest].size
        used = sum(self._models[other].size for other in machine.held)
        for other in sorted(machine.held, key=lambda name: machine.held[name]):
            if used + size <= machine.memory:
                break
            if not machine.busy[other]:
                used -= self._models[other].size
                self._forget(machine, other)
        seconds = self._costs.start + size / self._costs.load_rate
        if digest not in machine.stored:
            seconds += size / self._costs.network_rate
            machine.stored.add(digest)
            self._result.bytes_moved += size
        self._result.loads += 1
        machine.held[digest] = now
        machine.ready[digest] = now + seconds
        self._at(now + seconds, lambda at: self._beat(machine, at))
        return now + seconds

    def _forget(self, machine: _Machine, digest: str) -> None:
        for table in (machine.held, machine.ready, machine.busy, machine.caches):
            table.pop(digest, None)

    def _unload(self, machine: _Machine, digest: str, now: float) -> None:
        if not machine.busy[digest]:
            self._forget(machine, digest)
            self._beat(machine, now)

    def _beat(self, machine: _Machine, now: float) -> None:
        if machine.alive:
            held = tuple(
                Held(name, self._models[name].slots, self._models[name].size)
                for name in machine.held
                if machine.ready[name] <= now
            )
            self._router.beat(
                NodeState(machine.name, memory=machine.memory, held=held, stored=frozenset(machine.stored)), now
            )

    def _fail(self, fault: Fault, now: float) -> None:
        machine = self._machines[fault.node]
        machine.alive = False
        for ask in self._router.gone(machine.name):
            outcome = self._outcomes[ask.ticket.id]
            if not math.isnan(outcome.first):
                outcome.error = "the node was lost"
                self._router.leave(ask, now)
            else:
                outcome.moved += 1
                self._tries[ask.ticket.id] += 1
                self._router.again(ask)
        for table in (machine.held, machine.ready, machine.busy, machine.caches):
            table.clear()
        self._at(now + fault.away, lambda at: self._back(machine, at))

    def _back(self, machine: _Machine, now: float) -> None:
        machine.alive = True
        self._beat(machine, now)
