"""Who is next: a fair, bounded queue. Plain code that is told the time; it knows no clock, no task and no process.

A *lane* is the line before one model. Within a lane every client has its turn: a request's place is the number of the
turn in which its client comes to it (start-time fair queueing), so that a client with a hundred requests delays
another's first one by one request; a client of weight 2 comes to two in a turn. Waiting counts too, a turn for every
``AGEING`` seconds, so that a flood of new clients cannot hold anybody back for ever. Batch requests come after
interactive ones until they have waited ``PROMOTION`` seconds; then they have their client's turn like any other.
"""

import bisect
import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from puna.errors import UnavailableError
from puna.scheduler.demand import Demand

AGEING = 60.0
"""Seconds of waiting that are worth one turn."""
PROMOTION = 60.0
"""Seconds after which a batch request no longer gives way to interactive ones."""
_FULL = "server busy, please try again.  maximum pending requests exceeded"
_LONGEST_RETRY_AFTER = 60
_FEW = 64
_LANES = 256
"""Lanes in which nobody waits and whose clients' turns are remembered: those that were joined last."""


class QueueFullError(UnavailableError):
    """Too many requests wait (``OLLAMA_MAX_QUEUE``); this one would have waited about so many seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(_FULL, math.ceil(min(max(wait, 1), _LONGEST_RETRY_AFTER)))


@dataclass(eq=False, slots=True)
class Ticket:
    """One request that waits: who asks (``client``), for which model (``lane``), in what form (``demand``).

    ``arrived`` is in seconds of whatever clock the queue is told. ``again`` marks a request that had its turn and lost
    its runner: it goes first. ``alone`` lets it run with no other beside it. ``weight`` is how many turns the client
    has where one of weight 1 has one.
    """

    id: str
    client: str
    lane: str
    demand: Demand
    arrived: float
    batch: bool = False
    again: bool = False
    alone: bool = False
    weight: float = 1.0


@dataclass(slots=True, frozen=True, order=True)
class _Place:
    key: float
    number: int


class _Line:
    """The tickets of one lane and class in order."""

    def __init__(self) -> None:
        self._turn = 0.0
        self._next: dict[str, float] = {}
        self._used: dict[str, float] = {}
        """The turn that each client comes to next, and that after the last one that it has used."""
        self._places: list[_Place] = []
        self._tickets: list[Ticket] = []
        self._placed: dict[str, tuple[_Place, float]] = {}

    def add(self, ticket: Ticket, number: int) -> None:
        # A client that has been away comes in at the turn under way: it has saved none up while it did not ask.
        turn = max(self._turn, self._next.get(ticket.client, -math.inf))
        if ticket.again:
            turn, key = self._turn, -math.inf
        else:
            self._next[ticket.client] = turn + 1 / ticket.weight
            # Whoever came earlier is ahead by so much for ever, so that waiting need not be counted as it goes on.
            key = turn + ticket.arrived / AGEING
        place = _Place(key, number)
        index = bisect.bisect(self._places, place)
        self._places.insert(index, place)
        self._tickets.insert(index, ticket)
        self._placed[ticket.id] = (place, turn)

    def index(self, ticket: Ticket) -> int | None:
        entry = self._placed.get(ticket.id)
        return None if entry is None else bisect.bisect_left(self._places, entry[0])

    def remove(self, ticket: Ticket, *, served: bool) -> bool:
        index = self.index(ticket)
        if index is None:
            return False
        _, turn = self._placed.pop(ticket.id)
        del self._places[index], self._tickets[index]
        if served:
            self._served(ticket, turn)
        elif self._next.get(ticket.client) == turn + 1 / ticket.weight:  # a turn that was not used does not count
            mine = [other for other in self._tickets if other.client == ticket.client]
            theirs = [self._placed[other.id][1] + 1 / other.weight for other in mine]
            self._next[ticket.client] = max(theirs, default=self._used.get(ticket.client, -math.inf))
        return True

    def _served(self, ticket: Ticket, turn: float) -> None:
        self._turn = max(self._turn, turn)
        self._used[ticket.client] = turn + 1 / ticket.weight
        if len(self._next) > 2 * len(self._tickets) + _FEW:  # forget those whose next turn makes no difference now
            self._next = {client: turn for client, turn in self._next.items() if turn > self._turn}
            self._used = {client: turn for client, turn in self._used.items() if turn > self._turn}

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._tickets)


class _Lane:
    def __init__(self) -> None:
        self.interactive = _Line()
        self.batch = _Line()

    def __iter__(self) -> Iterator[Ticket]:
        yield from self.interactive
        yield from self.batch

    def __len__(self) -> int:
        return len(self.interactive) + len(self.batch)


class FairQueue:
    """All requests that wait for a model or for one of its slots; at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lanes: dict[str, _Lane] = {}
        self._busy: dict[str, _Lane] = {}
        self._tickets: dict[str, Ticket] = {}
        self._clients: Counter[str] = Counter()
        self._by_age: deque[Ticket] = deque()
        self._number = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, ticket: Ticket) -> bool:
        return self._tickets.get(ticket.id) is ticket

    def push(self, ticket: Ticket) -> None:
        """Add a request; the caller bounds the queue with ``overflow`` once it knows which ones start at once."""
        self._number += 1
        self._tickets[ticket.id] = ticket
        self._clients[ticket.client] += 1
        lane = self._busy[ticket.lane] = self._lane(ticket.lane)
        (lane.batch if ticket.batch else lane.interactive).add(ticket, self._number)
        if ticket.batch:
            self._by_age.append(ticket)

    def _lane(self, name: str) -> _Lane:
        """Return a lane, the last to be forgotten from now on; a new one may have the oldest forgotten."""
        lane = self._lanes.pop(name, None)
        if lane is None:
            lane = _Lane()
            if len(self._lanes) >= len(self._busy) + _LANES:
                del self._lanes[next(key for key in self._lanes if key not in self._busy)]
        self._lanes[name] = lane
        return lane

    def overflow(self, newest: Ticket) -> Ticket | None:
        """Return the request that has to go because too many wait, or ``None``.

        It is the newest, unless another client fills the queue: then that client's last one makes room.
        """
        if len(self) <= self._limit or newest.again:
            return None
        hog, most = self._clients.most_common(1)[0]
        if most <= self._clients[newest.client] + 1:
            return newest
        theirs = [ticket for lane in self._busy.values() for ticket in lane if ticket.client == hog]
        return max(theirs, key=lambda ticket: (ticket.batch, self.position(ticket), ticket.arrived))

    def remove(self, ticket: Ticket) -> None:
        """Take out a request that gave up; does nothing if it waits no more."""
        self._take(ticket, served=False)

    def start(self, ticket: Ticket) -> None:
        """Take out a request because its turn has come."""
        self._take(ticket, served=True)

    def _take(self, ticket: Ticket, *, served: bool) -> None:
        if ticket not in self:
            return
        del self._tickets[ticket.id]
        self._clients[ticket.client] -= 1
        if not self._clients[ticket.client]:
            del self._clients[ticket.client]
        lane = self._lanes[ticket.lane]
        if not lane.interactive.remove(ticket, served=served):
            lane.batch.remove(ticket, served=served)
        if not lane:
            del self._busy[ticket.lane]

    def promote(self, now: float) -> None:
        """Let batch requests that have waited long enough take their turns among the interactive ones."""
        while self._by_age and (self._by_age[0] not in self or now - self._by_age[0].arrived >= PROMOTION):
            ticket = self._by_age.popleft()
            lane = self._busy.get(ticket.lane)
            if lane and ticket in self and lane.batch.remove(ticket, served=False):
                self._number += 1
                lane.interactive.add(ticket, self._number)

    def next_promotion(self) -> float:
        """Return the time at which ``promote`` will have something to do."""
        return self._by_age[0].arrived + PROMOTION if self._by_age else math.inf

    def waiting(self, lane: str) -> Iterator[Ticket]:
        """Yield the requests of a lane in order. The queue must not change meanwhile."""
        return iter(self._busy.get(lane, ()))

    def head(self, lane: str) -> Ticket | None:
        """Return the request of a lane that is next."""
        return next(self.waiting(lane), None)

    def heads(self) -> Iterator[tuple[Ticket, bool]]:
        """Yield the next request of each lane, and whether it still gives way to interactive ones."""
        for lane in self._busy.values():
            yield next(iter(lane)), not len(lane.interactive)

    def position(self, ticket: Ticket) -> int:
        """Return how many requests are before this one in its lane."""
        lane = self._lanes[ticket.lane]
        index = lane.interactive.index(ticket)
        if index is not None:
            return index
        return len(lane.interactive) + (lane.batch.index(ticket) or 0)

    def tickets(self) -> list[Ticket]:
        """Return all requests, lane by lane in order."""
        return [ticket for lane in self._busy.values() for ticket in lane]
