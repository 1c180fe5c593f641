"""How requests reach nodes: they wait for their turn, are carried to a node, and elsewhere if that is lost."""

import asyncio
import logging
import math
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from puna.cluster.fleet import Fleet, NodeLostError
from puna.cluster.prefixes import Beginning
from puna.cluster.routing import Ask, Place, Refuse, Retire, Router
from puna.cluster.state import NodeState
from puna.cluster.wire import Call, Card, Find, Mailbox, pack, unpack
from puna.errors import BadRequestError, PunaError, UnavailableError
from puna.inference.events import Event, Finished, Reading, Started
from puna.inference.watching import AskedElsewhere
from puna.models.model import Model
from puna.scheduler.demand import Demand
from puna.scheduler.lease import Caller
from puna.scheduler.memory import Footprint
from puna.scheduler.queue import Ticket
from puna.settings import Settings

BEAT = 0.25
"""Seconds between two looks at a node."""
_BEAT_EACH = 0.002
"""Seconds that these are further apart for each node that there is: with many, looking takes the ingress's time."""
PATIENCE = 1.5
"""Seconds after which a node that says nothing is taken out, so that its clients hear of it within two."""
_LEAST_PATIENCE = 0.25
_LATE = 0.3
"""Seconds by which the end of that patience may be noticed late: more, and this process itself had no time to hear."""
_MOST_LOSSES = 3
"""How many nodes a request may lose before it is taken for the cause."""
_DRAIN_PAUSE = 0.05
_REMEMBERED = 1000
_BY_SERVE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""How Serve names a request without a name; it may send it again while the first is still under way here."""
_MOST_PEERS = 64
"""Nodes from which, or together with which, a node takes a model."""
_NS = 1e-9
_log = logging.getLogger(__name__)
T = TypeVar("T")
Tell = Callable[[AskedElsewhere], object]
"""Hears what a runner was asked, for those who watch a request."""


class _Running:
    """A request on its way: it waits to be placed, then for what its node says."""

    def __init__(self) -> None:
        self.placed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._error: PunaError | None = None
        self._broken: Callable[[PunaError], object] | None = None

    def fail(self, error: PunaError) -> None:
        """End it, wherever it is."""
        if not self.placed.done():
            self.placed.set_exception(error)
            self.placed.exception()  # seen, should nobody be left to see it
        self.break_off(error)

    def break_off(self, error: PunaError) -> None:
        """End what its node is to say, though nobody may listen to that yet."""
        self._error = self._error or error
        if self._broken:
            self._broken(error)

    def when_broken(self, broken: Callable[[PunaError], object]) -> None:
        """Let ``broken`` hear of its end, be it that this has come already."""
        self._broken = broken
        if self._error:
            broken(self._error)


class Dispatch:
    """The requests of one ingress, and the nodes that it knows. ``find`` knows the models of the cluster."""

    def __init__(self, settings: Settings, fleet: Fleet, find: Find) -> None:
        self.router = Router(max_queue=max(1, settings.max_queue))
        self.asked: OrderedDict[str, Model] = OrderedDict()
        """The models that were asked for last, by digest: nodes have them in memory even if their files have gone."""
        self._sections = settings.sections
        self._fleet = fleet
        self._find = find
        self._name = secrets.token_hex(6)
        self._running: dict[str, _Running] = {}
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._heard: dict[str, float] = {}
        """When each node last said something that was no answer to a look at it."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._wake: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._count = 0
        self._closed = self._ended = False

    # --- requests

    def ask(self, model: Model, caller: Caller, beginning: Beginning) -> Ask:
        """Return a request that has not been submitted yet. Raises ``PunaError`` if it cannot be."""
        if self._closed:
            raise UnavailableError("the server is shutting down")
        request_id = caller.id
        if request_id in self._running:
            if not _BY_SERVE.fullmatch(request_id):
                raise BadRequestError(f"another request has the id '{request_id}'")
            request_id = f"{request_id}-{secrets.token_hex(3)}"
        self.asked[model.digest] = model
        self.asked.move_to_end(model.digest)
        if len(self.asked) > _REMEMBERED:
            self.asked.popitem(last=False)
        section = self._sections.of(model.name)
        ticket = Ticket(
            request_id,
            caller.client,
            model.digest,
            Demand(Footprint(model.size, 0, 0), pinned=section.pinned),
            time.monotonic(),
            batch=caller.batch,
            weight=caller.weight,
        )
        conversation = f"{caller.key} {caller.conversation}" if caller.conversation else ""
        return Ask(ticket, model.size, beginning, conversation, frozenset(section.nodes), section.pinned)

    async def generate(
        self, ask: Ask, model: Model, arguments: tuple[Any, ...], tell: Tell | None = None
    ) -> AsyncGenerator[list[Event], None]:
        """Yield the events of one generation, of another node if the first is lost before the answer has begun.

        ``tell``, if there is one, hears what a runner is asked.
        """
        begun = started = False
        while True:
            try:
                async with self._placed(ask) as (running, node):
                    call = self._call("generate", ask, model, node, arguments, {}, watched=tell is not None)
                    async with aclosing(self._events(running, node, call)) as batches:
                        async for batch in batches:
                            if tell:
                                batch = _untold(batch, tell)
                            if started and batch and isinstance(batch[0], Started):
                                batch = batch[1:]  # of the node that was lost
                            started = started or bool(batch)
                            begun = begun or not all(isinstance(event, Started | Reading) for event in batch)
                            self._learn(ask, batch)
                            if batch:
                                yield batch
                    self.router.leave(ask, time.monotonic(), answered=True)
                    return
            except NodeLostError as error:
                if begun:
                    raise
                self._again(ask, error)

    async def call(
        self,
        method: str,
        ask: Ask,
        model: Model,
        arguments: tuple[Any, ...],
        named: dict[str, Any] | None = None,
        tell: Tell | None = None,
    ) -> Any:
        """Return what the service of a node answers, of another one if the first is lost; ``tell`` see ``generate``."""
        while True:
            try:
                async with self._placed(ask) as (running, node):
                    call = self._call(method, ask, model, node, arguments, named or {}, watched=tell is not None)
                    answer = await self._answer(running, node, call)
                    self.router.leave(ask, time.monotonic(), answered=True)
                    if tell:
                        for asked in answer.asked:
                            tell(asked)
                        return answer.answer
                    return answer
            except NodeLostError as error:
                self._again(ask, error)

    def _again(self, ask: Ask, error: NodeLostError) -> None:
        """Let a request wait for another node, as none of its answer has been sent; raise ``error`` if it may not."""
        ask.losses += 1
        if self._closed or ask.losses == _MOST_LOSSES:
            raise error
        _log.warning("request %s runs again on another node: %s", ask.ticket.id, error)
        self.router.again(ask)

    def running(self, request_id: str) -> bool | None:
        """Return whether a node answers a request, ``None`` if this ingress has none of that id."""
        running = self._running.get(request_id)
        return None if running is None else running.placed.done()

    def fail(self, request_id: str, error: PunaError) -> None:
        """End a request of this ingress."""
        self._running[request_id].fail(error)

    # --- nodes

    async def everywhere(self, method: str, *arguments: Any) -> list[Any]:
        """Return what each node answers that does so in time."""
        names = [state.id for state in self.router.nodes()]
        calls = [self._ask(name, method, *arguments) for name in names]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    async def _ask(self, node: str, method: str, *arguments: Any, patience: float | None = None) -> Any:
        """Return what a node answers; raise ``TimeoutError`` if not in so many seconds (``PATIENCE``)."""
        async with asyncio.timeout(PATIENCE if patience is None else patience):
            return await self._fleet.ask(node, method, *arguments)

    async def tell(self, names: Sequence[str], method: str, *arguments: Any) -> None:
        """Have some nodes do something; raise ``NodeLostError`` if one is lost."""
        for name in names:
            await self._fleet.ask(name, method, *arguments)

    async def cards(self, name: str, digests: frozenset[str]) -> list[Card] | None:
        """Return the cards of some models of a node, or ``None`` if it does not answer."""
        try:
            found: list[Card] = await self._fleet.ask(name, "cards", digests)
        except NodeLostError:
            return None
        return found

    def in_background(self, work: Coroutine[Any, Any, T]) -> None:
        """Do something that nobody waits for."""
        if self._ended:
            work.close()
            return

        async def quiet() -> None:
            try:
                await work
            except (PunaError, TimeoutError) as error:
                _log.warning("a node could not be told: %s", error)

        task = asyncio.create_task(quiet())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def begin(self) -> None:
        """Follow the nodes from now on."""
        self._watcher = asyncio.create_task(self._watch())

    async def drain(self, seconds: float) -> None:
        """See ``Service``."""
        self._closed = True
        reason = UnavailableError("the server is shutting down")
        for running in list(self._running.values()):
            if not running.placed.done():
                running.fail(reason)
        for _ in range(int(seconds / _DRAIN_PAUSE)):
            if not self._running:
                return
            await asyncio.sleep(_DRAIN_PAUSE)
        for running in list(self._running.values()):
            running.fail(reason)

    async def close(self) -> None:
        """See ``Service``."""
        await self.drain(0)
        self._ended = True
        if self._wake:
            self._wake.cancel()
        tasks = [task for task in (self._watcher, *self._followed.values(), *self._tasks) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- how a request reaches a node

    @asynccontextmanager
    async def _placed(self, ask: Ask) -> AsyncIterator[tuple[_Running, str]]:
        """Wait for a request's turn; give what can end it, and its node."""
        running = self._running[ask.ticket.id] = _Running()
        try:
            displaced = None if ask.ticket.again else self.router.submit(ask)
            if displaced:
                self._running[displaced.ticket.id].fail(self.router.full(displaced))
            self._pump()
            node = await running.placed
            try:
                yield running, node
            except NodeLostError as error:
                self._lost(node, str(error))
                raise
        finally:
            del self._running[ask.ticket.id]
            self.router.leave(ask, time.monotonic())
            self._pump()

    async def _answer(self, running: _Running, node: str, call: Call) -> Any:
        task = asyncio.ensure_future(self._fleet.ask(node, "call", call))
        failure: list[PunaError] = []

        def broken(error: PunaError) -> None:
            failure.append(error)
            task.cancel()

        running.when_broken(broken)
        try:
            answer = unpack(await task, self._find)
        except asyncio.CancelledError:
            self.in_background(self._end(node, call))  # a node that is lost may only be slow
            if failure:
                raise failure[0] from None
            raise
        if isinstance(answer, PunaError):
            raise answer
        return answer

    async def _events(self, running: _Running, node: str, call: Call) -> AsyncGenerator[list[Any], None]:
        """Yield what a node says, until it is lost or the request is ended here."""
        box: Mailbox[Any] = Mailbox()

        async def fill() -> None:
            try:
                async with aclosing(self._fleet.stream(node, call)) as batches:
                    async for batch in batches:
                        self._heard[node] = time.monotonic()
                        box.put(batch)
            except PunaError as error:
                box.close(error)
            finally:
                box.close()  # whatever it met, nobody is to wait for more

        running.when_broken(box.close)
        task = asyncio.create_task(fill())
        ended = False
        try:
            while items := await box.take():
                ended = isinstance(items[-1], Finished | PunaError)
                error = items.pop() if isinstance(items[-1], PunaError) else None
                if items:
                    yield items
                if error:
                    raise error
            if not ended:
                raise NodeLostError("the node did not bring its answer to an end")
        finally:
            task.cancel()
            if not ended:
                self.in_background(self._end(node, call))

    async def _end(self, node: str, call: Call) -> None:
        await self._ask(node, "end", call.id)

    def _call(
        self,
        method: str,
        ask: Ask,
        model: Model,
        node: str,
        arguments: tuple[Any, ...],
        named: dict[str, Any],
        *,
        watched: bool,
    ) -> Call:
        self._count += 1
        arguments = tuple(replace(one, id=ask.ticket.id) if isinstance(one, Caller) else one for one in arguments)
        return Call(
            id=f"{self._name}-{self._count}",
            method=method,
            model=model.name,
            manifest=model.manifest,
            section=self._sections.of(model.name),
            peers=self._peers(model.digest, node),
            ingress=self._name,
            body=pack((arguments, named)),
            saved=self._saved(model.digest, node),
            watched=watched,
        )

    def _peers(self, digest: str, node: str) -> tuple[str, ...]:
        """Return the addresses from which a node may take a model: those of nodes that have it, then of others.

        Those that take it at the same time, or soon, must know of each other, for no byte to leave its origin twice.
        """
        states = {state.id: state for state in self.router.nodes()}
        if node not in states or digest in states[node].stored:  # one may be lost before it is asked
            return ()
        near = self.router.holders(digest)
        others = [state for state in states.values() if state.store and state.id != node]
        others.sort(key=lambda state: (digest not in state.stored, state.id not in near, state.id))
        return tuple(state.store for state in others[:_MOST_PEERS])

    def _saved(self, digest: str, node: str) -> tuple[tuple[str, str], ...]:
        """Return where other nodes have saved conversations of a model."""
        others = [state for state in self.router.nodes() if state.saved and state.id != node]
        return tuple((key, state.store) for state in others for of, key in state.saved if of == digest)

    def _learn(self, ask: Ask, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Finished) and event.prompt_tokens:
                fresh = (event.prompt_tokens - event.cached_tokens) / event.prompt_tokens
                self.router.read(ask, event.prompt_duration * _NS, int(ask.chars * fresh))

    def _pump(self) -> None:
        """Carry out what the router decides now."""
        if self._closed:
            return
        now = time.monotonic()
        for action in self.router.step(now):
            match action:
                case Place(ask, node):
                    running = self._running[ask.ticket.id]
                    if not running.placed.done():  # else it has just gone away, and gives the slot back in a moment
                        running.placed.set_result(node)
                case Refuse(ask, error):
                    self._running[ask.ticket.id].fail(error)
                case Retire(node, digest):
                    self.in_background(self._fleet.ask(node, "unload", digest))
        if self._wake:
            self._wake.cancel()
            self._wake = None
        if len(self.router.queue):
            delay = max(self.router.wake() - now, 0.0)
            self._wake = asyncio.get_running_loop().call_later(delay, self._pump)

    # --- how nodes are followed

    async def _watch(self) -> None:
        while True:
            names = set(self._fleet.names())
            for name in names - self._followed.keys():
                self._followed[name] = asyncio.create_task(self._follow(name))
            for name in self._followed.keys() - names:
                self._followed.pop(name).cancel()
                self._heard.pop(name, None)
                self._lost(name, "it has left the cluster")
            self._pump()
            await asyncio.sleep(BEAT)

    async def _follow(self, name: str) -> None:
        """Ask a node for its state again and again; take it out while it does not answer.

        One that has said something of an answer meanwhile is only slow, until that is as long ago; and where
        this process itself had no time, as on a busy machine, a node is asked once more.
        """
        was_late, patience = False, PATIENCE
        while True:
            began = time.monotonic()
            try:
                state: NodeState = await self._ask(name, "beat", self._name, patience=patience)
            except TimeoutError:
                now = time.monotonic()
                is_late = now - began > patience + _LATE
                silent = now - self._heard.get(name, -math.inf)
                if silent < PATIENCE or (is_late and not was_late):
                    was_late = is_late
                    patience = max(PATIENCE - silent, _LEAST_PATIENCE) if silent < PATIENCE else PATIENCE
                    continue
                self._lost(name, f"it has said nothing for {PATIENCE:g} seconds")
            except PunaError as error:
                self._lost(name, str(error))
            else:
                was_late, patience = False, PATIENCE
                self.router.beat(state, time.monotonic())
                self._pump()
            await asyncio.sleep(max(BEAT, _BEAT_EACH * len(self._followed)))

    def _lost(self, name: str, why: str) -> None:
        if name not in {state.id for state in self.router.nodes()}:
            return
        _log.warning("node %s is taken out: %s", name, why)
        error = NodeLostError(f"the node that answered the request was lost: {why}")
        for ask in self.router.gone(name):
            if running := self._running.get(ask.ticket.id):
                running.break_off(error)
        self._pump()


def _untold(batch: list[Any], tell: Tell) -> list[Any]:
    """Return the events of a batch; what is none, ``tell`` hears."""
    events = []
    for item in batch:
        if isinstance(item, AskedElsewhere):
            tell(item)
        else:
            events.append(item)
    return events
