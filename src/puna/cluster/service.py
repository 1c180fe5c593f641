"""The service of a cluster: requests come in here, and nodes answer them."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from copy import copy
from dataclasses import replace
from typing import Any, Literal, cast

from puna.cluster.deleted import Deleted
from puna.cluster.dispatch import Dispatch, Tell
from puna.cluster.fleet import Fleet
from puna.cluster.prefixes import Beginning, beginning_of
from puna.cluster.routing import Ask
from puna.cluster.state import NodeState, Report
from puna.cluster.wire import unpack
from puna.errors import ModelNotFoundError, NotFoundError, PunaError
from puna.inference.decide import Decided, DecideRequest
from puna.inference.embed import Embedded, EmbedRequest
from puna.inference.events import Event, Started
from puna.inference.generate import Rendered
from puna.inference.options import Options
from puna.inference.requests import GenerationRequest
from puna.inference.rerank import Reranked, RerankRequest
from puna.inference.scoring import Scored
from puna.inference.watching import AskedElsewhere, Watcher, taken, watched
from puna.models.library import Library
from puna.models.model import Model
from puna.names import ModelName
from puna.scheduler.admission import RequestState
from puna.scheduler.lease import Caller, RequestCanceledError
from puna.scheduler.options import RunnerOptions
from puna.scheduler.residency import ModelState
from puna.scheduler.sessions import SessionInfo
from puna.service import OWN, Activity, SavedSessions
from puna.service.counted import counted
from puna.service.local import recorded
from puna.settings import Settings
from puna.telemetry.record import Record, Subscriber

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 10.0
"""Seconds after which a node that could not tell of its models is asked again."""
_FORGET_SECONDS = 60.0
"""Seconds after which a node that still has a model that was deleted hears of it again."""
_log = logging.getLogger(__name__)


class ClusterService:
    """See ``Service``. ``subscribers`` are told of each request that is over."""

    def __init__(self, settings: Settings, subscribers: Sequence[Subscriber], fleet: Fleet) -> None:
        self._subscribers = subscribers
        self._watchers: Sequence[Watcher] = ()
        self._dispatch = Dispatch(settings, fleet, self._find)
        self._library: Library | None = None
        self._others: tuple[Model, ...] = ()
        self._cards: dict[str, tuple[Model, ...]] = {}
        """The models of each node that are not stored here."""
        self._told: dict[str, frozenset[str]] = {}
        """The digests that each node was last asked for."""
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._deleted = Deleted(settings.home / "cluster" / "deleted.json")
        self._forgets: dict[tuple[str, str], float] = {}
        """When each node that has a deleted model was last told of it, by its name and the model's digest."""
        self._looking: asyncio.Task[None] | None = None

    # --- the requests of dialects

    def generate(
        self, request: GenerationRequest, caller: Caller, keep_alive: float | None, dialect: str
    ) -> AsyncGenerator[list[Event], None]:
        """See ``Service``."""
        record = self._record(request.model, caller, dialect)
        request = taken(self._watchers, request) if self._watchers else request
        events = recorded(self._generate(request, caller, keep_alive, dialect), record)
        return watched(self._watchers, events) if self._watchers else events

    async def _generate(
        self, request: GenerationRequest, caller: Caller, keep_alive: float | None, dialect: str
    ) -> AsyncGenerator[list[Event], None]:
        ask = self._dispatch.ask(request.model, caller, beginning_of(request))
        arguments = (request, caller, keep_alive, dialect)
        async with aclosing(self._dispatch.generate(ask, request.model, arguments, self._tell(request))) as events:
            async for batch in events:
                yield batch

    async def render(self, request: GenerationRequest, caller: Caller, keep_alive: float | None) -> Rendered:
        """See ``Service``."""
        beginning = beginning_of(request)
        return cast(
            Rendered, await self._asked("render", request.model, caller, beginning, request, caller, keep_alive)
        )

    async def count(self, request: GenerationRequest, caller: Caller, keep_alive: float | None) -> int:
        """See ``Service``."""
        beginning = beginning_of(request)
        return cast(int, await self._asked("count", request.model, caller, beginning, request, caller, keep_alive))

    async def embed(self, request: EmbedRequest, caller: Caller, keep_alive: float | None, dialect: str) -> Embedded:
        """See ``Service``."""

        async def work(request: EmbedRequest) -> Embedded:
            return cast(Embedded, await self._told_of("embed", request, caller, keep_alive, dialect))

        return await counted(request, self._record(request.model, caller, dialect), self._watchers, work)

    async def detokenize(
        self, model: Model, options: Options, tokens: Sequence[int], caller: Caller, keep_alive: float | None
    ) -> str:
        """See ``Service``."""
        return cast(str, await self._asked("detokenize", model, caller, (), model, options, tokens, caller, keep_alive))

    async def pieces(
        self, model: Model, options: Options, tokens: Sequence[int], caller: Caller, keep_alive: float | None
    ) -> list[str]:
        """See ``Service``."""
        found = await self._asked("pieces", model, caller, (), model, options, tokens, caller, keep_alive)
        return cast(list[str], found)

    async def score(
        self,
        model: Model,
        options: Options,
        prompt: str | Sequence[int],
        top: int,
        caller: Caller,
        keep_alive: float | None,
    ) -> list[Scored]:
        """See ``Service``."""
        found = await self._asked("score", model, caller, (), model, options, prompt, top, caller, keep_alive)
        return cast(list[Scored], found)

    async def decide(
        self, request: DecideRequest, caller: Caller, keep_alive: float | None, dialect: str = OWN
    ) -> Decided:
        """See ``Service``."""

        async def work(request: DecideRequest) -> Decided:
            return cast(Decided, await self._told_of("decide", request, caller, keep_alive, dialect))

        return await counted(request, self._record(request.model, caller, dialect), self._watchers, work)

    async def rerank(
        self, request: RerankRequest, caller: Caller, keep_alive: float | None, dialect: str = OWN
    ) -> Reranked:
        """See ``Service``."""

        async def work(request: RerankRequest) -> Reranked:
            return cast(Reranked, await self._told_of("rerank", request, caller, keep_alive, dialect))

        return await counted(request, self._record(request.model, caller, dialect), self._watchers, work)

    async def tokenize(
        self, model: Model, options: Options, text: str, caller: Caller, keep_alive: float | None, *, special: bool
    ) -> list[int]:
        """See ``Service``."""
        named = {"special": special}
        found = await self._asked("tokenize", model, caller, (), model, options, text, caller, keep_alive, **named)
        return cast(list[int], found)

    async def load(self, model: Model, options: RunnerOptions, caller: Caller, keep_alive: float | None) -> Started:
        """See ``Service``."""
        return cast(Started, await self._asked("load", model, caller, (), model, options, caller, keep_alive))

    # --- what is in memory, and who waits

    async def predicts(self, model: Model, options: RunnerOptions) -> bool:  # noqa: ARG002
        """See ``Service``. Any node may be the one that answers."""
        nodes = self.nodes()
        return bool(nodes) and all(node.predicts for node in nodes)

    async def unload(self, model: Model) -> None:
        """See ``Service``."""
        await self._dispatch.everywhere("unload", model.digest)

    def told(self, watchers: Sequence[Watcher]) -> "ClusterService":
        """See ``Service``."""
        service = copy(self)
        service._watchers = watchers
        return service

    async def settle(self, model: Model) -> None:
        """See ``Service``. A node hears of it with its next request for the model."""

    def forget(self, digest: str) -> None:
        """See ``Service``. Nodes that are away hear of it when they come."""
        self._dispatch.in_background(asyncio.to_thread(self._deleted.add, digest))
        self._dispatch.in_background(self._dispatch.everywhere("forget", digest))

    async def models(self) -> list[ModelState]:
        """See ``Service``. A model on several nodes is told of once, with all that it takes of them."""
        by_digest: dict[str, ModelState] = {}
        packed = [data for report in await self._reports() for data in report.models]
        for state in await asyncio.to_thread(self._known_states, packed):
            known = by_digest.get(state.model.digest)
            by_digest[state.model.digest] = state if known is None else _together(known, state)
        return sorted(by_digest.values(), key=lambda state: state.expires_at, reverse=True)

    def elsewhere(self) -> Sequence[Model]:
        """See ``Service``."""
        return self._others

    async def activity(self) -> Activity:
        """See ``Service``."""
        reports = await self._reports()
        running = {state.id: state for report in reports for state in report.requests}
        models = (await asyncio.to_thread(self._library.list)).models if self._library else ()
        names = {model.digest: str(model.name) for model in reversed(models)}
        now = time.monotonic()
        for ask in self._dispatch.router.running():
            running.setdefault(ask.ticket.id, _state(ask, "running", now - ask.begun, names))
        router = self._dispatch.router
        waiting = [
            replace(
                _state(ask, "waiting", now - ask.ticket.arrived, names),
                position=router.queue.position(ask.ticket),
                estimated_wait=router.estimate(ask),
            )
            for ask in router.waiting()
        ]
        loads = tuple(load for report in reports for load in report.loads)
        return Activity((*running.values(), *waiting), loads)

    async def cancel(self, request_id: str) -> None:
        """See ``Service``."""
        running = self._dispatch.running(request_id)
        if running is None:
            states = [state for report in await self._reports() for state in report.requests]
            if request_id not in {state.id for state in states}:
                raise NotFoundError(f"no request '{request_id}' waits or runs")
        if running is not False:
            await self._dispatch.everywhere("cancel", request_id)
        if self._dispatch.running(request_id) is not None:
            self._dispatch.fail(request_id, RequestCanceledError())

    async def sessions(self) -> SavedSessions:
        """See ``Service``."""
        found: list[SavedSessions] = await self._dispatch.everywhere("sessions")
        infos: list[SessionInfo] = [info for saved in found for info in saved.sessions]
        infos.sort(key=lambda info: info.used_at, reverse=True)
        return SavedSessions(sum(saved.limit for saved in found), tuple(infos))

    async def clear_sessions(self) -> int:
        """See ``Service``."""
        return sum(await self._dispatch.everywhere("clear_sessions"))

    def nodes(self) -> list[NodeState]:
        """Return the nodes and what they last said of themselves."""
        return self._dispatch.router.nodes()

    async def set_draining(self, names: Sequence[str], *, draining: bool) -> None:
        """Let nodes take no more requests, or take them again."""
        await self._dispatch.tell(names, "drain" if draining else "undrain")

    # --- its beginning and end

    async def begin(self, library: Library) -> None:
        """See ``Service``."""
        self._library = library
        self._dispatch.begin()
        self._looking = asyncio.create_task(self._look())

    async def drain(self, seconds: float) -> None:
        """See ``Service``."""
        await self._dispatch.drain(seconds)

    async def close(self) -> None:
        """See ``Service``."""
        for task in (self._looking, *self._reading.values()):
            if task:
                task.cancel()
        await self._dispatch.close()

    async def _look(self) -> None:
        """Learn what nodes have that is not stored here; of each by itself, as one may not answer."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                here = await asyncio.to_thread(self._here)
                deleted = await asyncio.to_thread(self._deleted.without, here)
            except OSError as error:
                _log.warning("the models cannot be looked at: %s", error)
                continue
            states = {state.id: state for state in self.nodes()}
            for name in self._reading.keys() - states.keys():
                self._reading.pop(name).cancel()
                self._cards.pop(name, None)
                self._told.pop(name, None)
            for name, state in states.items():
                wanted, reading = state.stored - here, self._reading.get(name)
                if self._told.get(name) != wanted and (reading is None or reading.done()):
                    self._reading[name] = asyncio.create_task(self._read_cards(name, wanted))
            self._forget_late(states.values(), deleted)
            others = {model.name.key: model for models in self._cards.values() for model in models}
            if set(others.values()) != set(self._others):
                self._others = tuple(others.values())

    def _forget_late(self, states: Iterable[NodeState], deleted: frozenset[str]) -> None:
        """Tell nodes of deleted models that they have: they were away, or were just taking a copy."""
        now = time.monotonic()
        have = {(state.id, digest) for state in states for digest in state.stored & deleted}
        due = {key for key in have if now - self._forgets.get(key, -math.inf) >= _FORGET_SECONDS}
        for name, digest in due:
            self._dispatch.in_background(self._dispatch.tell([name], "forget", digest))
        self._forgets = {key: now if key in due else self._forgets[key] for key in have}

    def _here(self) -> frozenset[str]:
        """Return the digests of the models that are stored here. Reads files."""
        assert self._library is not None
        others = set(map(id, self._others))
        return frozenset(model.digest for model in self._library.list().models if id(model) not in others)

    async def _read_cards(self, name: str, wanted: frozenset[str]) -> None:
        """Learn of models of a node."""
        assert self._library is not None
        try:
            cards = await self._dispatch.cards(name, wanted) if wanted else []
        except PunaError as error:
            _log.warning("what models a node has cannot be learnt: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
            return
        if cards is not None:
            self._cards[name] = tuple(card.model(self._library) for card in cards)
            self._told[name] = wanted

    async def _told_of(
        self,
        method: str,
        request: EmbedRequest | DecideRequest | RerankRequest,
        caller: Caller,
        keep_alive: float | None,
        dialect: str,
    ) -> Any:
        """Return what a node answers to a request that others may watch."""
        arguments = (request, caller, keep_alive, dialect)
        ask = self._dispatch.ask(request.model, caller, ())
        return await self._dispatch.call(method, ask, request.model, arguments, tell=self._tell(request))

    def _tell(self, request: GenerationRequest | EmbedRequest | DecideRequest | RerankRequest) -> Tell | None:
        """Return who hears what a runner of another machine is asked, if anybody watches."""
        watchers = self._watchers

        def tell(asked: AskedElsewhere) -> None:
            for watcher in watchers:
                watcher.asks(asked.asked(request.model, request))

        return tell if watchers else None

    async def _asked(
        self, method: str, model: Model, caller: Caller, beginning: Beginning, *arguments: Any, **named: Any
    ) -> Any:
        return await self._dispatch.call(method, self._dispatch.ask(model, caller, beginning), model, arguments, named)

    async def _reports(self) -> list[Report]:
        return await self._dispatch.everywhere("report")

    def _known_states(self, packed: Sequence[bytes]) -> list[ModelState]:
        """Return the states of models that are known here: others have just gone, or are told of in a moment."""
        states = []
        for data in packed:
            with suppress(ModelNotFoundError):
                states.append(cast(ModelState, unpack(data, self._find)))
        return states

    def _find(self, name: ModelName, digest: str) -> Model:
        """Return the model that a node tells of. It may be one of another name here."""
        assert self._library is not None
        found = next((model for model in self._library.list().models if model.digest == digest), None)
        found = found or self._dispatch.asked.get(digest)
        if found is None:
            raise ModelNotFoundError(str(name))
        return found

    def _record(self, model: Model, caller: Caller, dialect: str) -> Record:
        told = (*self._subscribers, *(watcher.ends for watcher in self._watchers))
        return Record(caller.id, str(model.name), dialect, told, key=caller.key, batch=caller.batch)


def _state(ask: Ask, state: Literal["running", "waiting"], seconds: float, names: Mapping[str, str]) -> RequestState:
    ticket = ask.ticket
    return RequestState(ticket.id, names.get(ask.digest, ""), ticket.client, ticket.batch, state, seconds)


def _together(one: ModelState, other: ModelState) -> ModelState:
    return replace(
        one,
        size=one.size + other.size,
        size_on_cards=one.size_on_cards + other.size_on_cards,
        memory=one.memory.plus(other.memory),
        context=min(one.context, other.context),
        expires_at=max(one.expires_at, other.expires_at),
    )
