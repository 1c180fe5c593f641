"""Replays a trace of requests through the scheduler's own policy and queue with a clock that costs no time.

Everything follows from the trace and the machine: the same input gives the same result to the last digit.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from puna.scheduler.demand import Demand
from puna.scheduler.memory import Footprint
from puna.scheduler.policy import Load, Policy, Refuse, Resident, Start, Unload
from puna.scheduler.queue import Ticket

_NOTHING = 1e-9
"""Seconds of work that are lost in rounding."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of a trace: when it comes (seconds), from whom, for which model, and how long it is (tokens)."""

    at: float
    client: str
    model: str
    prompt_tokens: int = 0
    output_tokens: int = 0
    batch: bool = False


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model on the machine: its size, seconds to load, and tokens per second of one request alone."""

    footprint: Footprint
    load_seconds: float
    prompt_rate: float
    output_rate: float

    def work(self, arrival: Arrival) -> float:
        """Return how many seconds a request takes alone."""
        return arrival.prompt_tokens / self.prompt_rate + arrival.output_tokens / self.output_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the requests meet. ``memory`` is in bytes; the other names are those of the settings and of ``Policy``.

    ``scaling`` tells what batching gains: n requests of one model together run n ** scaling times as fast as one.
    Models that run at the same time share the processor. ``fair`` and ``classes`` false treat all clients, or both
    classes, as one.
    """

    models: Mapping[str, ModelSpec]
    memory: int
    parallel: int = 0
    context: int = 4096
    max_models: int = 0
    max_queue: int = 512
    turn: float = 10.0
    scaling: float = 0.3
    fair: bool = True
    classes: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: the seconds that it waited for its slot and that it ran, or ``None`` if turned away."""

    arrival: Arrival
    waited: float | None
    ran: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The outcomes in the order of the trace, how many loads there were, and when the last request was done."""

    outcomes: Sequence[Outcome]
    loads: int
    end: float


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds of waiting of ``count`` requests: mean, percentiles and the longest; and how many were refused."""

    count: int
    mean: float
    p50: float
    p95: float
    longest: float
    refused: int


def waits(outcomes: Iterable[Outcome]) -> Waits:
    """Summarise the waiting of some requests."""
    known = list(outcomes)
    seconds = sorted(outcome.waited for outcome in known if outcome.waited is not None)
    if not seconds:
        return Waits(0, 0.0, 0.0, 0.0, 0.0, len(known))
    mean = math.fsum(seconds) / len(seconds)
    p50, p95 = (seconds[math.ceil(part * len(seconds)) - 1] for part in (0.5, 0.95))
    return Waits(len(seconds), mean, p50, p95, seconds[-1], len(known) - len(seconds))


def simulate(trace: Sequence[Arrival], machine: Machine) -> Result:
    """Return what the machine makes of the trace, whose arrivals must be in order of time."""
    return _Simulation(trace, machine).run()


@dataclass(eq=False, slots=True)
class _Job:
    number: int
    resident: Resident
    work: float
    started: float


class _Simulation:
    def __init__(self, trace: Sequence[Arrival], machine: Machine) -> None:
        self._trace = trace
        self._machine = machine
        self._policy = Policy(
            capacity=lambda: machine.memory,
            max_queue=machine.max_queue,
            max_models=machine.max_models,
            turn=machine.turn,
        )
        self._demands = {
            name: Demand(spec.footprint, machine.context, machine.parallel) for name, spec in machine.models.items()
        }
        self._now = 0.0
        self._jobs: dict[Resident, list[_Job]] = {}
        self._loading: dict[Resident, float] = {}
        self._outcomes: list[Outcome | None] = [None] * len(trace)
        self._loads = 0

    def run(self) -> Result:
        arrived = 0
        while True:
            upcoming = self._trace[arrived].at if arrived < len(self._trace) else math.inf
            moment = min(upcoming, *self._loading.values(), self._next_end(), self._next_look())
            if math.isinf(moment):
                break
            self._advance(max(moment, self._now))
            if upcoming <= self._now:
                self._arrive(arrived)
                arrived += 1
            self._step()
        return Result([outcome for outcome in self._outcomes if outcome], self._loads, self._now)

    def _next_look(self) -> float:
        """Return when the policy may change its mind by itself. With an empty queue it has nothing to do."""
        wake = self._policy.wake()
        return wake if len(self._policy.queue) and wake > self._now else math.inf

    def _speed(self, resident: Resident) -> float:
        """Return at what part of its speed alone each request of a model runs now."""
        together = float(len(self._jobs[resident]))
        return math.pow(together, self._machine.scaling - 1) / len(self._jobs)

    def _next_end(self) -> float:
        soonest = (min(job.work for job in jobs) / self._speed(resident) for resident, jobs in self._jobs.items())
        return self._now + min(soonest, default=math.inf)

    def _advance(self, moment: float) -> None:
        """Let time pass, and end the loads and requests that end now."""
        speeds = {resident: self._speed(resident) for resident in self._jobs}
        for resident, speed in speeds.items():
            for job in self._jobs[resident]:
                job.work -= (moment - self._now) * speed
        self._now = moment
        for resident in speeds:
            for job in [job for job in self._jobs[resident] if job.work <= _NOTHING]:
                self._end(job)
        for resident in [resident for resident, end in self._loading.items() if end <= moment]:
            del self._loading[resident]
            seconds = self._machine.models[resident.key].load_seconds
            self._policy.loaded(resident, resident.plan.size, moment, seconds)

    def _end(self, job: _Job) -> None:
        jobs = self._jobs[job.resident]
        jobs.remove(job)
        if not jobs:
            del self._jobs[job.resident]
        arrival = self._trace[job.number]
        self._outcomes[job.number] = Outcome(arrival, job.started - arrival.at, self._now - job.started)
        self._policy.finished(job.resident, self._now, self._now - job.started)

    def _arrive(self, number: int) -> None:
        arrival = self._trace[number]
        client = arrival.client if self._machine.fair else ""
        batch = arrival.batch and self._machine.classes
        ticket = Ticket(str(number), client, arrival.model, self._demands[arrival.model], arrival.at, batch=batch)
        self._policy.submit(ticket)
        self._step()
        displaced = self._policy.queue.overflow(ticket)
        if displaced:
            self._policy.queue.remove(displaced)
            self._refuse(displaced)

    def _refuse(self, ticket: Ticket) -> None:
        number = int(ticket.id)
        self._outcomes[number] = Outcome(self._trace[number], None)

    def _step(self) -> None:
        """Carry out what the policy decides; memory is free again at once."""
        again = True
        while again:
            again = False
            for action in self._policy.step(self._now):
                match action:
                    case Start(ticket, resident):
                        number = int(ticket.id)
                        work = self._machine.models[resident.key].work(self._trace[number])
                        self._jobs.setdefault(resident, []).append(_Job(number, resident, work, self._now))
                    case Load(_, resident):
                        self._loads += 1
                        self._loading[resident] = self._now + self._machine.models[resident.key].load_seconds
                    case Unload(resident):
                        self._policy.gone(resident)
                        again = True
                    case Refuse(ticket, _):
                        self._refuse(ticket)
                        again = True
