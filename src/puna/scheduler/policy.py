"""What to load, what to unload, which request starts. Plain code that is told sizes, loads and the time.

``Policy`` decides and keeps the books; whoever drives it (the server's scheduler, or a simulation) calls ``step``
after every change, carries out the actions and reports back with the other methods.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

from puna.scheduler.demand import Demand
from puna.scheduler.memory import OutOfMemoryError, PinnedError, Plan, Room, plan
from puna.scheduler.queue import FairQueue, Ticket

_LOADS_PER_TURN = 4
_LONG_TURN = 60.0
"""Seconds of a turn that a model may have for its loading time's sake, unless that alone is longer."""
_LOAD_ALONE = 3.0
"""Seconds for which a load has the machine to itself; one that takes longer must not hold up other models."""
_NEW_WEIGHT = 0.2
"""How much the latest request counts in a model's mean time per request."""


@dataclass(eq=False, slots=True)
class Resident:
    """A model in memory, or on its way in or out. Times are seconds of the policy's clock; ``size`` is in bytes."""

    key: str
    demand: Demand
    plan: Plan
    size: int
    last_used: float
    loaded_at: float = math.inf
    load_seconds: float = 0.0
    active: int = 0
    stopping: bool = False
    alone: bool = False
    """Whether it answers a request that shall have none beside it."""
    leaving: bool = False
    """Whether it takes no further requests because another model's turn has come."""

    @property
    def ready(self) -> bool:
        """Return whether it is loaded and stays."""
        return not self.stopping and self.loaded_at < math.inf

    @property
    def loads(self) -> bool:
        """Return whether it is on its way in."""
        return not self.stopping and self.loaded_at == math.inf

    @property
    def model(self) -> str:
        """Return what names its model, of which there may be another runner."""
        return self.demand.model or self.key

    @property
    def room(self) -> Room:
        """Return what it takes of the machine's memory and of that of its cards."""
        return Room(self.size - self.plan.on_cards, self.plan.on_cards)

    def serves(self, demand: Demand) -> bool:
        """Return whether a request with this demand can use the runner as it is: a larger context will do."""
        if demand.variant != self.demand.variant or (demand.plain and self.demand.guesses):
            return False
        if demand.embeds and not self.demand.embeds:
            return False
        return demand.context == self.demand.context or self.plan.context >= demand.least_context > 0

    def turn_ends(self, turn: float) -> float:
        """Return when it may be asked to leave while requests still want it: loading must not eat up the gain."""
        worth = min(_LOADS_PER_TURN * self.load_seconds, max(_LONG_TURN, self.load_seconds))
        return self.loaded_at + max(turn, worth)


@dataclass(frozen=True, slots=True)
class Start:
    """Begin with a request on a runner."""

    ticket: Ticket
    resident: Resident


@dataclass(frozen=True, slots=True)
class Load:
    """Load the model that ``ticket`` wants; the resident is in the books already."""

    ticket: Ticket
    resident: Resident


@dataclass(frozen=True, slots=True)
class Unload:
    """Take a model out of memory; no request uses it."""

    resident: Resident


@dataclass(frozen=True, slots=True)
class Refuse:
    """Fail a request: its model cannot be loaded."""

    ticket: Ticket
    error: OutOfMemoryError


Action = Start | Load | Unload | Refuse


class Policy:
    """The books of one machine: the queue, the models in memory, and what to do next.

    ``max_models`` 0 means as many as fit. ``turn`` is how many seconds a model may answer its own requests before it
    has to make room for one that others wait for. ``capacity`` tells how many bytes of the machine's memory there would
    be if none were loaded; those of graphics cards are in each request's demand.
    """

    def __init__(self, *, capacity: Callable[[], int], max_queue: int, max_models: int = 0, turn: float = 10.0) -> None:
        self.queue = FairQueue(max_queue)
        self.residents: dict[str, Resident] = {}
        self._capacity = capacity
        self._max_models = max_models
        self._turn = turn
        self._left: dict[str, float] = {}
        self._service: dict[str, float] = {}
        self._wake = math.inf

    def check(self, demand: Demand) -> None:
        """Raise ``OutOfMemoryError`` if the model could not even be loaded alone."""
        self._plan(demand)

    def submit(self, ticket: Ticket) -> None:
        """Add a request to the queue; ``step`` may start it at once, and ``queue.overflow`` bounds the rest."""
        self.queue.push(ticket)

    def step(self, now: float) -> list[Action]:
        """Return what is to be done now. The books already say that it is being done."""
        self.queue.promote(now)
        self._wake = self.queue.next_promotion()
        actions: list[Action] = [*self._make_room(now)]
        for resident in self.residents.values():
            if resident.ready and not resident.leaving:
                actions += self._starts(resident, now)
        return actions

    def wake(self) -> float:
        """Return the time at which another ``step`` may find something to do though nothing has happened."""
        return self._wake

    @property
    def steady(self) -> bool:
        """Return whether no model is on its way in or out."""
        return all(resident.ready for resident in self.residents.values())

    @property
    def on_cards(self) -> int:
        """Return how many bytes of graphics cards the models in memory are estimated to take."""
        return sum(resident.plan.on_cards for resident in self.residents.values())

    def loaded(self, resident: Resident, size: int, now: float, seconds: float) -> None:
        """Note that a load has ended well: the bytes of the machine's memory that it holds and how long it took."""
        self.measured(resident, size)
        resident.loaded_at = resident.last_used = now
        resident.load_seconds = seconds

    def squeeze(self, resident: Resident, *, shrink: bool, cards: int = 0) -> list[Resident]:
        """Return who has to leave because there was less memory for a load than planned: all that are idle.

        If there are none, ``shrink`` makes the plan one of one slot, unless the number of slots was asked for, with no
        more on the graphics cards than the ``cards`` bytes that are free there. In any case the engine is to find out
        what they hold.
        """
        others = [other for other in self.residents.values() if other is not resident and not other.demand.pinned]
        victims = [other for other in others if self.idle(other)]
        for victim in victims:
            victim.stopping = True
        made = resident.plan
        if shrink and not victims:
            if not resident.demand.parallel:
                size = resident.demand.footprint.total(made.context, 1)
                made = replace(made, parallel=1, size=size, prompt_cache=0)
            made = replace(made, on_cards=min(made.on_cards, made.size, Room(0, cards).usable.cards))
        resident.plan = replace(made, split=made.split or resident.plan.on_cards > 0)
        resident.size = made.size
        return victims

    def measured(self, resident: Resident, size: int) -> None:
        """Note how many bytes of the machine's memory a model holds now: caches grow while it answers."""
        resident.size = max(resident.plan.size, resident.plan.on_cards + size)

    def stop(self, resident: Resident) -> None:
        """Note that a model is on its way out by somebody else's decision."""
        resident.stopping = True

    def gone(self, resident: Resident) -> None:
        """Note that a model holds no memory any more, or that its load has failed."""
        resident.stopping = True
        if self.residents.get(resident.key) is resident:
            del self.residents[resident.key]

    def abandoned(self, resident: Resident) -> None:
        """Note that a request that was to start has gone away."""
        self._leave(resident)

    def finished(self, resident: Resident, now: float, seconds: float) -> None:
        """Note that a request has left its slot, ``seconds`` after it began."""
        self._leave(resident)
        resident.last_used = now
        mean = self._service.get(resident.key, seconds)
        self._service[resident.key] = mean + _NEW_WEIGHT * (seconds - mean)

    def _leave(self, resident: Resident) -> None:
        resident.active -= 1
        resident.alone = resident.alone and resident.active > 0

    def wanted(self, resident: Resident) -> bool:
        """Return whether any request waits for a model as it is."""
        return any(resident.serves(ticket.demand) for ticket in self.queue.waiting(resident.key))

    def fits_beside(self, demand: Demand, other: Demand, here: Resident | None) -> bool:
        """Return whether two could be in memory together, were there nobody else; the other one may be ``here``."""
        try:
            rooms = [self._plan(demand).room, here.room if here else self._plan(other).room]
        except OutOfMemoryError:
            return False
        return Room(self._capacity(), demand.cards).usable.holds(rooms[0].plus(rooms[1]))

    def estimate(self, ticket: Ticket) -> float | None:
        """Return about how many seconds a request will still wait, or ``None`` while nothing is known of its model."""
        mean = self._service.get(ticket.lane)
        if mean is None:
            return None
        resident = self.residents.get(ticket.lane)
        slots = resident.plan.parallel if resident else 1
        return (self.queue.position(ticket) + 1) * mean / slots

    def idle(self, resident: Resident) -> bool:
        """Return whether no request uses a model or waits for it as it is."""
        head = self.queue.head(resident.key)
        return resident.ready and not resident.active and not (head and resident.serves(head.demand))

    def _starts(self, resident: Resident, now: float) -> list[Start]:
        free = 0 if resident.alone else resident.plan.parallel - resident.active
        if free <= 0:
            return []
        chosen: list[Ticket] = []
        for ticket in self.queue.waiting(resident.key):
            if not resident.serves(ticket.demand):
                continue
            if ticket.alone:  # those behind it wait as well, or its turn would never come
                if not (chosen or resident.active):
                    chosen, resident.alone = [ticket], True
                break
            chosen.append(ticket)
            if len(chosen) == free:
                break
        for ticket in chosen:
            self.queue.start(ticket)
        resident.active += len(chosen)
        if chosen:
            resident.last_used = now
        return [Start(ticket, resident) for ticket in chosen]

    def _make_room(self, now: float) -> list[Action]:
        """Load or unload for the most urgent request that no runner serves.

        One change at a time, so that memory is known. A load that drags on is passed by; while a model is leaving,
        what fits beside it comes in, but nobody else is asked to go: it may be enough.
        """
        loading = [resident for resident in self.residents.values() if resident.loads]
        fresh = max((resident.last_used for resident in loading), default=-math.inf) + _LOAD_ALONE
        if fresh > now:
            self._wake = min(self._wake, fresh)
            return []
        settled = not any(resident.stopping for resident in self.residents.values())
        if settled:  # else whoever is to leave still is
            for resident in self.residents.values():
                resident.leaving = False
        gives_way, _, ticket = min(self._homeless(), key=lambda entry: entry[:2], default=(False, 0.0, None))
        return self._admit(ticket, now, gives_way=gives_way, settled=settled) if ticket else []

    def _homeless(self) -> Iterator[tuple[bool, float, Ticket]]:
        """Yield the requests at the head of their lane that no runner in memory serves, with their urgency.

        A model that made room for another waits from then on, however long its requests have waited already.
        """
        for ticket, gives_way in self.queue.heads():
            here = self.residents.get(ticket.lane)
            if here is None or (here.ready and not here.serves(ticket.demand)):
                yield gives_way, max(ticket.arrived, self._left.get(ticket.lane, -math.inf)), ticket

    def _admit(self, ticket: Ticket, now: float, *, gives_way: bool, settled: bool) -> list[Action]:
        """Load what the most urgent request wants, or clear the way for it; one that gives way takes idle room only."""
        try:
            wanted = self._plan(ticket.demand)
        except OutOfMemoryError as error:
            self.queue.remove(ticket)
            return [Refuse(ticket, error)]
        victims = self._victims(ticket, wanted, now)
        if victims is None or (gives_way and not all(map(self.idle, victims))):
            return []
        if not victims:
            resident = Resident(ticket.lane, ticket.demand, wanted, wanted.size, now)
            self.residents[ticket.lane] = resident
            return [Load(ticket, resident)]
        if not settled:
            return []
        if any(resident.active for resident in victims):
            for resident in victims:
                resident.leaving = True
            return []
        for resident in victims:
            resident.stopping = True
            self._left[resident.key] = now
        return [Unload(resident) for resident in victims]

    def _victims(self, ticket: Ticket, wanted: Plan, now: float) -> list[Resident] | None:
        """Return who has to leave so that ``wanted`` fits, ``None`` if too many may stay for now.

        Idle models go first, the least recently used one before the others; then those that had their turn, the one
        longest in memory first.
        """
        same = self.residents.get(ticket.lane)
        others = [
            other for other in self.residents.values() if other is not same and other.ready and not other.demand.pinned
        ]
        idle = sorted(filter(self.idle, others), key=lambda resident: resident.last_used)
        busy = sorted(set(others) - set(idle), key=lambda resident: (resident.loaded_at, resident.key))
        room = Room(self._capacity(), ticket.demand.cards).usable
        free = reduce(Room.minus, (resident.room for resident in self.residents.values()), room)
        victims: list[Resident] = []
        staying = not all(resident.ready for resident in self.residents.values())

        def crowded() -> bool:
            kept = {other.model for other in self.residents.values() if other not in victims}
            return 0 < self._max_models <= len(kept - {ticket.demand.model or ticket.lane})

        def enough() -> bool:
            return free.holds(wanted.room) and not crowded()

        for resident in [*([same] if same else []), *idle, *busy]:
            if resident is not same:
                if enough():
                    return victims
                if not crowded() and not resident.room.relieves(free, wanted.room):
                    continue
            if self.idle(resident) or resident.turn_ends(self._turn) <= now:
                # All are named at once, busy ones too: they take nothing new from now on, and go together.
                victims.append(resident)
                free = free.plus(resident.room)
            else:
                self._wake = min(self._wake, resident.turn_ends(self._turn))
                staying = True
                if resident is same:
                    return None
        return victims if enough() or not staying else None

    def _plan(self, demand: Demand) -> Plan:
        """Return how a model would be loaded with nobody beside it but those that stay.

        Raises ``OutOfMemoryError``, and ``PinnedError`` where there may be no more models than these.
        """
        staying = [
            other
            for other in self.residents.values()
            if other.demand.pinned and not other.stopping and other.model != demand.model
        ]
        if 0 < self._max_models <= len({other.model for other in staying}):
            raise PinnedError(self._max_models)
        pinned = reduce(Room.plus, (other.room for other in staying), Room(0))
        return plan(
            demand.footprint,
            context=demand.context,
            parallel=demand.parallel,
            available=self._capacity() - pinned.memory,
            cards=max(demand.cards - pinned.cards, 0),
            cards_share=demand.cards_share,
            saved_context=demand.saved_context,
        )
