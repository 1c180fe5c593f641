"""Which node answers which request. Plain code that is told the nodes' states and the time; it knows no network.

All requests of a cluster wait in one ``FairQueue``, so that a client has its turn over all nodes together and not on
each; nodes get no more of them than they have slots. A request goes where it is answered soonest: the wait for a slot,
the load, the way of the model to a node that lacks it, and the reading of what no cache holds, all in seconds. So it
goes to the node that knows its beginning, waits for it while that is worth it, and goes elsewhere when it is not; and a
model that many wait for comes into the memory of further nodes, which lose it again when they have had nothing to do
for it.
"""

import bisect
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from puna.cluster.prefixes import Beginning, Prefixes
from puna.cluster.state import Held, NodeState
from puna.errors import UnavailableError
from puna.scheduler.queue import FairQueue, QueueFullError, Ticket

_NEW_WEIGHT = 0.2
"""How much the latest request counts in a mean."""
_LOOKED_AT = 32
"""Requests of one lane that are placed at one time."""
_SLOTS_UNKNOWN = 4
"""Slots that a node is taken to have for a model that it is only loading."""
_LANES = 64
"""Lanes that are looked at in one sweep."""
_SWEEP = 0.5
"""Seconds between looks at all that wait."""
_PATIENCE = 10.0
"""Seconds for which a request waits for a node that could answer it, as while one is started anew."""
_RETIRE = 120.0
"""Seconds after which a node has a model for nothing, if another one has it too."""
_CONVERSATIONS = 100_000
_MODELS = 10_000
"""Models of which it is remembered how they were answered: those that were asked for last."""
_OWN = 0.5
"""Seconds that a request may wait longer for the node of its conversation, whatever is known of its beginning."""


class NoNodeError(UnavailableError):
    """No node can answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What things take until they have been seen: bytes and characters per second, and seconds."""

    load_rate: float = 1e9
    network_rate: float = 1e8
    read_rate: float = 800.0
    service: float = 4.0
    start: float = 0.5


@dataclass(eq=False, slots=True)
class Ask:
    """One request on its way: ``size`` is that of its model in bytes, ``labels`` are what its node must have.

    ``begun`` is when it came to ``node``, in seconds, and ``losses`` how many nodes it has lost.
    """

    ticket: Ticket
    size: int = 0
    beginning: Beginning = ()
    conversation: str = ""
    labels: frozenset[str] = frozenset()
    pinned: bool = False
    node: str = ""
    begun: float = 0.0
    losses: int = 0

    @property
    def digest(self) -> str:
        """Return which model it is for."""
        return self.ticket.lane

    @property
    def chars(self) -> int:
        """Return the characters of its prompt that are known."""
        return self.beginning[-1].chars if self.beginning else 0


@dataclass(frozen=True, slots=True)
class Place:
    """Send a request to a node."""

    ask: Ask
    node: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Let a node take a model out of memory."""

    node: str
    digest: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Turn a request away."""

    ask: Ask
    error: UnavailableError


Action = Place | Retire | Refuse


@dataclass(slots=True)
class _Pace:
    """How fast one model is answered: seconds per request and per character of a prompt.

    ``pinned`` is what was said of the model when it was last asked for.
    """

    service: float
    per_char: float
    pinned: bool = False


@dataclass(slots=True)
class _Node:
    state: NodeState
    asks: dict[str, dict[str, Ask]] = field(default_factory=dict)
    """The requests that it answers, by model and id."""
    used: dict[str, float] = field(default_factory=dict)
    """When each model that it holds was last asked for."""

    def holds(self, digest: str) -> Held | None:
        return next((held for held in self.state.held if held.digest == digest), None)


class Router:
    """The books of one ingress: who waits, and what every node does and knows. Times are seconds of any clock.

    Whoever drives it calls ``step`` after every change, and by ``wake`` at the latest.
    """

    def __init__(self, *, max_queue: int = 512, costs: Costs | None = None, prefixes: Prefixes | None = None) -> None:
        self.queue = FairQueue(max_queue)
        self.prefixes = Prefixes() if prefixes is None else prefixes
        self._costs = costs or Costs()
        self._nodes: dict[str, _Node] = {}
        self._asks: dict[str, Ask] = {}
        self._paces: OrderedDict[str, _Pace] = OrderedDict()
        self._homes: OrderedDict[str, str] = OrderedDict()
        self._holders: dict[str, set[str]] = {}
        """The nodes that hold each model, or load it."""
        self._changed: set[str] = set()
        """The lanes for which something may be done."""
        self._alone: dict[tuple[str, frozenset[str]], float] = {}
        """Since when no node may answer requests of a lane and labels; it counts for those that wait since then."""
        self._swept = -math.inf
        self._last_lane = ""

    # --- what happens

    def submit(self, ask: Ask) -> Ask | None:
        """Let a request wait; return the one that has to go because too many do, if there is one."""
        self._asks[ask.ticket.id] = ask
        self.queue.push(ask.ticket)
        self._changed.add(ask.digest)
        self._pace(ask.digest).pinned = ask.pinned
        self._paces.move_to_end(ask.digest)
        while len(self._paces) > _MODELS:
            self._paces.popitem(last=False)
        displaced = self.queue.overflow(ask.ticket) if not self._could_begin(ask) else None
        return self._asks[displaced.id] if displaced else None

    def full(self, ask: Ask) -> QueueFullError:
        """Take out a request for which there is no room; return the error that says so."""
        error = QueueFullError(self.estimate(ask))
        self.leave(ask, 0.0)
        return error

    def leave(self, ask: Ask, now: float, *, answered: bool = False) -> None:
        """Note that a request is over, or gave up waiting."""
        self._asks.pop(ask.ticket.id, None)
        self.queue.remove(ask.ticket)
        self._changed.add(ask.digest)
        if self._off(ask):
            self._nodes[ask.node].used[ask.digest] = now
            if answered:
                pace = self._pace(ask.digest)
                pace.service += _NEW_WEIGHT * (now - ask.begun - pace.service)

    def again(self, ask: Ask) -> None:
        """Let a request wait again, before all others, whose node was lost before it had begun to answer."""
        self._off(ask)
        ask.node = ""
        ask.ticket.again = True
        self._asks[ask.ticket.id] = ask
        self.queue.push(ask.ticket)
        self._changed.add(ask.digest)

    def _off(self, ask: Ask) -> bool:
        """Take a request from its node; return whether it was there."""
        node = self._nodes.get(ask.node)
        if node is None or node.asks.get(ask.digest, {}).pop(ask.ticket.id, None) is None:
            return False
        if not node.asks[ask.digest]:
            del node.asks[ask.digest]
            self._let_go(ask.node, ask.digest)
        return True

    def read(self, ask: Ask, seconds: float, chars: int) -> None:
        """Note how long the reading of so many characters took, which no cache held."""
        if chars > 0:
            pace = self._pace(ask.digest)
            pace.per_char += _NEW_WEIGHT * (seconds / chars - pace.per_char)

    def beat(self, state: NodeState, now: float) -> None:
        """Take note of what a node says of itself."""
        node = self._nodes.setdefault(state.id, _Node(state))
        before, node.state = node.state, state
        if node.state is before or (before.held, before.draining) != (state.held, state.draining):
            held = {entry.digest for entry in state.held}
            node.used = {digest: node.used.get(digest, now) for digest in held | node.asks.keys()}
            for digest in held:
                self._holders.setdefault(digest, set()).add(state.id)
            for digest in {entry.digest for entry in before.held} - held:
                self._let_go(state.id, digest)
            self._changed |= held

    def gone(self, name: str) -> list[Ask]:
        """Take out a node; return the requests that it was answering."""
        node = self._nodes.pop(name, None)
        self.prefixes.forget(name)
        for digest in [digest for digest, names in self._holders.items() if name in names]:
            self._let_go(name, digest)
            self._changed.add(digest)
        return [ask for asks in node.asks.values() for ask in asks.values()] if node else []

    def _let_go(self, name: str, digest: str) -> None:
        node = self._nodes.get(name)
        if node and (node.asks.get(digest) or node.holds(digest)):
            return
        names = self._holders.get(digest, set())
        names.discard(name)
        if not names:
            self._holders.pop(digest, None)

    # --- what is known

    def nodes(self) -> list[NodeState]:
        """Return the states of all nodes."""
        return [node.state for node in self._nodes.values()]

    def holders(self, digest: str) -> frozenset[str]:
        """Return the nodes that hold a model, or load it."""
        return frozenset(self._holders.get(digest, ()))

    def waiting(self) -> list[Ask]:
        """Return the requests that wait, in the order of their turns in each model's lane."""
        return [self._asks[ticket.id] for ticket in self.queue.tickets()]

    def running(self) -> list[Ask]:
        """Return the requests that nodes answer."""
        return [ask for ask in self._asks.values() if ask.node]

    def estimate(self, ask: Ask) -> float:
        """Return about how many seconds a request will still wait."""
        slots = sum(self._slots(node, ask.digest) for node in self._nodes.values() if node.holds(ask.digest))
        return (self.queue.position(ask.ticket) + 1) * self._pace(ask.digest).service / max(slots, 1)

    # --- what to do

    def step(self, now: float) -> list[Action]:
        """Return what to do now. Requests that are placed are in the books already."""
        self.queue.promote(now)
        actions: list[Action] = []
        lanes, self._changed = self._changed, set()
        if now >= self._swept + _SWEEP:  # what frees memory or a node may help any of them
            self._swept = now
            lanes |= self._some_lanes()
            actions += self._retire(now)
        for lane in sorted(lanes):
            actions += self._place(lane, now)
            if self._alone and not self.queue.head(lane):
                self._alone = {kind: since for kind, since in self._alone.items() if kind[0] != lane}
        return actions

    def wake(self) -> float:
        """Return the time at which ``step`` will have something to do without any change."""
        return self._swept + _SWEEP

    def _some_lanes(self) -> set[str]:
        """Return the lanes that are looked at this time: others will be the next time, where there are many."""
        waiting = sorted({ticket.lane for ticket, _ in self.queue.heads()})
        at = bisect.bisect_right(waiting, self._last_lane)
        some = (waiting[at:] + waiting[:at])[:_LANES]
        self._last_lane = some[-1] if some else ""
        return set(some)

    def _place(self, lane: str, now: float) -> list[Action]:
        actions: list[Action] = []
        others: dict[frozenset[str], list[_Node]] = {}
        behind: Counter[str] = Counter()  # how many requests before this one wait for each node
        for ticket in list(islice(self.queue.waiting(lane), _LOOKED_AT)):
            ask = self._asks[ticket.id]
            chosen = self._best(ask, behind, others)
            kind = lane, ask.labels
            if chosen is None:
                if now - max(ticket.arrived, self._alone.setdefault(kind, now)) >= _PATIENCE:
                    self.leave(ask, now)
                    actions.append(Refuse(ask, self._nobody(ask)))
                continue
            self._alone.pop(kind, None)
            if self._open(chosen, lane) > 0:
                others.clear()
                actions.append(self._send(ask, chosen, now))
            else:
                behind[chosen.state.id] += 1
        return actions

    def _send(self, ask: Ask, node: _Node, now: float) -> Place:
        self.queue.start(ask.ticket)
        ask.node, ask.begun = node.state.id, now
        node.asks.setdefault(ask.digest, {})[ask.ticket.id] = ask
        node.used[ask.digest] = now
        self._holders.setdefault(ask.digest, set()).add(ask.node)
        self.prefixes.read(ask.node, ask.beginning)
        if ask.conversation:
            self._homes[ask.conversation] = ask.node
            self._homes.move_to_end(ask.conversation)
            if len(self._homes) > _CONVERSATIONS:
                self._homes.popitem(last=False)
        return Place(ask, ask.node)

    def _best(self, ask: Ask, behind: Counter[str], others: dict[frozenset[str], list[_Node]]) -> _Node | None:
        """Return the node that answers a request soonest, whether it can begin now or not; ``None`` if none may.

        ``others`` keeps what was found for requests of the same model and labels.
        """
        known = self.prefixes.known(ask.beginning)
        home = self._homes.get(ask.conversation, "") if ask.conversation else ""
        holders = self._holders.get(ask.digest, set())
        names = holders | known.keys() | {home}
        nodes = [self._nodes[name] for name in names if name in self._nodes]
        best, least = self._soonest(ask, nodes, known, home, behind)
        # Elsewhere it would be loaded and read from the start at the least: most requests need no look at all nodes.
        if least[0] > self._load(ask) + ask.chars * self._pace(ask.digest).per_char:
            if ask.labels not in others:
                others[ask.labels] = self._others(ask, holders)
            other, rank = self._soonest(ask, others[ask.labels], known, home, behind)
            if rank < least:
                return other
        return best

    def _soonest(
        self, ask: Ask, nodes: list[_Node], known: Mapping[str, int], home: str, behind: Counter[str]
    ) -> tuple[_Node | None, tuple[float, int, str]]:
        """Return the node of some that answers a request soonest, and its rank."""
        best: _Node | None = None
        least: tuple[float, int, str] = (math.inf, 0, "")
        for node in nodes:
            name = node.state.id
            if not self._may(node, ask):
                continue
            seconds = self._seconds(ask, node, known.get(name, 0), behind[name]) - (_OWN if name == home else 0)
            # The fullest of those that are as good: small models then do not take the room that a large one needs.
            rank = (round(seconds, 3), node.state.free, name)
            if rank < least:
                best, least = node, rank
        return best, least

    def _others(self, ask: Ask, holders: set[str]) -> list[_Node]:
        """Return the node without the model that has it soonest; one that is too small for it only where all are."""
        may = [node for node in self._nodes.values() if self._may(node, ask)]
        others = [node for node in may if node.state.id not in holders]
        roomy = [node for node in others if node.state.memory >= ask.size]
        others = others if len(others) == len(may) and not roomy else roomy
        if not others:
            return []
        return [min(others, key=lambda node: (self._arrival(ask, node), len(node.asks), node.state.free))]

    def _seconds(self, ask: Ask, node: _Node, known: int, behind: int) -> float:
        """Return in how many seconds a node would have read a prompt, of which it knows so many characters."""
        pace = self._pace(ask.digest)
        slots = self._slots(node, ask.digest)
        full = self._used(node, ask.digest) + behind - slots
        seconds = (ask.chars - known) * pace.per_char
        if full >= 0:
            seconds += (full + 1) * pace.service / slots
        if node.holds(ask.digest):
            return seconds
        if node.asks.get(ask.digest):  # it is being loaded for somebody else
            return seconds + self._load(ask)
        return seconds + self._arrival(ask, node)

    def _load(self, ask: Ask) -> float:
        return self._costs.start + ask.size / self._costs.load_rate

    def _arrival(self, ask: Ask, node: _Node) -> float:
        """Return the seconds until a node without the model would have it in memory.

        Models that make room for it are loaded again, and busy ones waited for.
        """
        seconds = self._load(ask)
        if ask.digest not in node.state.stored:
            seconds += ask.size / self._costs.network_rate
        lacking = ask.size - node.state.free
        if lacking > 0:
            busy = sum(self._pace(digest).service for digest, asks in node.asks.items() if asks)
            seconds += self._costs.start + lacking / self._costs.load_rate + busy
        return seconds

    def _may(self, node: _Node, ask: Ask) -> bool:
        return node.state.usable and ask.labels <= node.state.labels

    def _open(self, node: _Node, digest: str) -> int:
        return self._slots(node, digest) - self._used(node, digest)

    def _slots(self, node: _Node, digest: str) -> int:
        held = node.holds(digest)
        return held.slots if held else _SLOTS_UNKNOWN

    def _used(self, node: _Node, digest: str) -> int:
        """Return how many requests use a model on a node."""
        held = node.holds(digest)
        return len(node.asks.get(digest, ())) + (held.others if held else 0)

    def _could_begin(self, ask: Ask) -> bool:
        return any(self._may(node, ask) and self._open(node, ask.digest) > 0 for node in self._nodes.values())

    def _pace(self, digest: str) -> _Pace:
        return self._paces.setdefault(digest, _Pace(self._costs.service, 1 / self._costs.read_rate))

    def _nobody(self, ask: Ask) -> NoNodeError:
        if any(node.state.usable for node in self._nodes.values()):
            return NoNodeError(f"no node of the cluster has the labels {', '.join(sorted(ask.labels))}")
        return NoNodeError("no node of the cluster can answer now", 2)

    def _retire(self, now: float) -> Iterator[Retire]:
        """Yield the nodes that hold a model for nothing while another one does as well."""
        for digest, names in self._holders.items():
            nodes = [self._nodes[name] for name in names if self._nodes[name].holds(digest)]
            if len(nodes) < 2 or self._pace(digest).pinned or self.queue.head(digest):
                continue
            idle = [node for node in nodes if not self._used(node, digest)]
            idle.sort(key=lambda node: (node.used.get(digest, now), node.state.id))
            for node in idle[: len(nodes) - 1]:
                if now - node.used.get(digest, now) >= _RETIRE:
                    node.used[digest] = now
                    yield Retire(node.state.id, digest)
