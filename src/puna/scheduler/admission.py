"""Requests on their way to a slot: who waits, who runs, who is turned away."""

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from puna.errors import BadRequestError, NotFoundError, PunaError
from puna.models.model import Model
from puna.scheduler.lease import Lease, LoadedModel, RequestCanceledError
from puna.scheduler.options import RunnerOptions
from puna.scheduler.policy import Policy, Resident
from puna.scheduler.queue import QueueFullError, Ticket
from puna.scheduler.tuned import Tuned


@dataclass(eq=False, slots=True)
class Request:
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
    """What is known of a request. ``position`` counts those before it; times are in seconds.

    ``state`` is "ending" for one whose client has gone, or that was cancelled, while the engine still works for it.
    """

    id: str
    model: str
    client: str
    batch: bool
    state: Literal["running", "ending", "waiting"]
    seconds: float
    """How long it has waited, or run."""
    position: int = 0
    estimated_wait: float | None = None

    @property
    def running(self) -> bool:
        """Return whether it has a slot."""
        return self.state != "waiting"


class Admission:
    """The requests of one server, in the order that the policy's queue gives them."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._requests: dict[str, Request] = {}

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._requests.values()))

    def of(self, ticket: Ticket) -> Request:
        """Return the request that a ticket stands for."""
        return self._requests[ticket.id]

    def add(self, request: Request) -> None:
        """Let a request wait for its turn; raise ``BadRequestError`` if there is one of its id."""
        if request.ticket.id in self._requests:
            raise BadRequestError(f"another request has the id '{request.ticket.id}'")
        self._requests[request.ticket.id] = request
        self._policy.submit(request.ticket)

    def bound(self, newest: Request) -> None:
        """Turn somebody away if too many wait, now that it is known which requests began at once."""
        displaced = self._policy.queue.overflow(newest.ticket)
        if displaced:
            self.refuse(self.of(displaced), QueueFullError(self._policy.estimate(displaced) or 1))

    def grant(self, request: Request, entry: LoadedModel) -> None:
        """Give a request a slot of a runner."""
        request.entry = entry
        request.started = time.monotonic()
        if not request.granted.done():  # else it has just gone away, and gives the slot back in a moment
            request.granted.set_result(entry)

    def refuse(self, request: Request, error: PunaError) -> None:
        """Fail a request that waits."""
        self._policy.queue.remove(request.ticket)
        if not request.granted.done():
            request.granted.set_exception(error)
            request.granted.exception()  # seen, should nobody be left to see it

    def fail(self, resident: Resident, error: PunaError) -> None:
        """Fail all requests that wait for a load that has failed."""
        for ticket in list(self._policy.queue.waiting(resident.key)):
            if resident.serves(ticket.demand):
                self.refuse(self.of(ticket), error)

    def end(self, request: Request, reason: PunaError) -> None:
        """End a request, whether it waits, runs, or is about to."""
        if request.lease:
            request.lease.end(reason)
        elif request.granted.done():
            request.ended_by = reason
        else:
            self.refuse(request, reason)

    def cancel(self, request_id: str) -> None:
        """End a request by its id; raise ``NotFoundError`` if there is none."""
        request = self._requests.get(request_id)
        if request is None:
            raise NotFoundError(f"no request '{request_id}' waits or runs")
        self.end(request, RequestCanceledError())

    def leave(self, request: Request) -> None:
        """Give back what a request has: its slot, or its place in the queue."""
        self._requests.pop(request.ticket.id, None)
        self._policy.queue.remove(request.ticket)
        if request.entry and request.lease:
            now = time.monotonic()
            self._policy.finished(request.entry.resident, now, now - request.started)
        elif request.entry:
            self._policy.abandoned(request.entry.resident)

    def states(self) -> list[RequestState]:
        """Return the requests that run, then those that wait in the order of their turns."""
        now = time.monotonic()
        running = [self._state(request, now) for request in self if request.entry]
        return [*running, *(self._state(self.of(ticket), now) for ticket in self._policy.queue.tickets())]

    def _state(self, request: Request, now: float) -> RequestState:
        ticket = request.ticket
        running = request.entry is not None
        return RequestState(
            id=ticket.id,
            model=str(request.model.name),
            client=ticket.client,
            batch=ticket.batch,
            state="running" if running else "waiting",
            seconds=now - (request.started if running else ticket.arrived),
            position=0 if running else self._policy.queue.position(ticket),
            estimated_wait=None if running else self._policy.estimate(ticket),
        )


def ending(lease: Lease) -> RequestState:
    """Return the state of a request that has ended while the engine works for it."""
    ticket = lease.ticket
    seconds = time.monotonic() - lease.began
    return RequestState(ticket.id, lease.runner.name, ticket.client, ticket.batch, "ending", seconds)
