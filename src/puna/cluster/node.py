"""One node: Puna's own scheduler, engines and store, which answer what an ingress sends."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from puna import __version__
from puna.api.errors import fault_of
from puna.cluster.copies import Copies
from puna.cluster.moving import SavedElsewhere
from puna.cluster.relay import Relay
from puna.cluster.state import Held, NodeState, Report
from puna.cluster.stock import Stock
from puna.cluster.wire import Call, Card, Mailbox, Watched, pack, unpack
from puna.engine.devices import devices, free_memory
from puna.engine.engines import PORTABLE, Engines, about_of
from puna.errors import NotFoundError, PunaError
from puna.inference.events import Finished
from puna.inference.watching import AskedElsewhere
from puna.models.library import Library
from puna.models.model import Model
from puna.models.registry.transfers import Transfers
from puna.scheduler.lease import Caller
from puna.scheduler.lender import Lender
from puna.service import SavedSessions
from puna.service.local import LocalService
from puna.settings import Settings
from puna.telemetry.log import log_record

INGRESS_SECONDS = 10.0
"""After so long without a word of an ingress, nobody waits for what it had asked for."""
_SILENT_SECONDS = 2.0
"""After so long an ingress that says nothing may not keep a request's name from another one."""
_POLL_SECONDS = 0.05
_LOOK_SECONDS = 2.0
_LOOK_PATIENCE = 0.3
"""Seconds for which a node waits for its disk before it says what it has seen the last time: it lives all the same."""
_DRAIN_PAUSE = 0.05
_NS = 1e-9


class NodeFaultError(PunaError):
    """A node met an error that is not Puna's own: it is logged there, and told of as by a server of one machine."""

    def __init__(self, node: str, error: Exception) -> None:
        fault = fault_of(error)
        super().__init__(f"{node}: {fault.message}")
        self.status = fault.status
        self.code = fault.code
        self._headers = dict(fault.headers)

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers


@dataclass(eq=False, slots=True)
class _Running:
    call: Call
    task: asyncio.Task[Any]
    name: str = ""
    """That of the request, when its arguments have been read."""


class _Seen(NamedTuple):
    """What was on the disk: the engine that runs models, the bytes of the cards that it has, whether it makes use of
    predictions, the digests of models that are stored, and the places of saved conversations."""

    engine: str
    cards: int
    predicts: bool
    stored: frozenset[str]
    saved: tuple[tuple[str, str], ...]


class Node:
    """What runs on one machine of a cluster, at an address of it. ``labels`` are what its operator says of it."""

    def __init__(self, name: str, address: str, settings: Settings, labels: frozenset[str]) -> None:
        self._name, self._address, self._labels = name, address, labels
        self._settings = settings
        self._lender = Lender(settings, Path(tempfile.gettempdir()))
        # The first machine's ingress, which may log to the same file, has a line for the whole of it.
        self._service = LocalService(self._lender, (partial(log_record, said="request here"),))
        self._library = Library(
            settings.models,
            hide_builtin=settings.hide_builtin,
            go_template=settings.go_template,
            overrides=lambda name: settings.sections.of(name).options,
        )
        self._transfers = Transfers(replace(settings, share=("*",), peers=()), self._library)
        self._sessions = self._lender.sessions
        self._elsewhere = self._sessions.elsewhere = SavedElsewhere(self._sessions)
        self._stock = Stock(self._library, self._transfers, self._sessions)
        self.copies = Copies(self._library, self._transfers, settings.home / "cluster" / "copies.json")
        self._calls: dict[str, _Running] = {}
        self._ingresses: dict[str, float] = {}
        self._seen = _Seen("", 0, False, frozenset(), ())
        self._looked = -_LOOK_SECONDS
        self._draining = False
        self._looking: asyncio.Task[None] | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._emptying: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Get ready for calls."""
        await asyncio.to_thread(self._library.clean)
        await asyncio.to_thread(self._transfers.clean)
        await self._stock.begin(self._address)
        await self._service.begin(self._library)
        self._sweeper = asyncio.create_task(self._sweep())

    # --- what it says of itself

    async def beat(self, ingress: str) -> NodeState:
        """Return the node's state, with the requests of others than ``ingress`` counted apart."""
        now = time.monotonic()
        self._ingresses[ingress] = now
        if self._looking is None or (self._looking.done() and now - self._looked >= _LOOK_SECONDS):
            self._looking = asyncio.create_task(self._look_again())
        done, _ = await asyncio.wait([self._looking], timeout=_LOOK_PATIENCE if self._seen.engine else None)
        for look in done:
            look.result()
        return NodeState(
            id=self._name,
            address=self._address,
            version=__version__,
            engine=self._seen.engine,
            memory=self._lender.memory() + self._seen.cards,
            held=self._held(ingress),
            stored=self._seen.stored,
            labels=self._labels,
            draining=self._draining,
            store=self._stock.address,
            sent=self._stock.sent,
            saved=self._seen.saved,
            predicts=self._seen.predicts,
        )

    async def _look_again(self) -> None:
        self._seen = await asyncio.to_thread(self._look)
        self._looked = time.monotonic()

    def _look(self) -> _Seen:
        """Return what is on the disk. Reads files."""
        engines = Engines(self._settings.home, self._settings.engine)
        stored = frozenset(model.digest for model in self._library.list().models)
        program = engines.program()
        name = engines.chosen() if program else PORTABLE
        cards = free_memory(devices(program)) if program else 0  # as it was before any model was loaded
        return _Seen(name, cards, about_of(program).predicts, stored, tuple(self._sessions.kept()))

    def _held(self, ingress: str) -> tuple[Held, ...]:
        slots: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for entry in self._lender.loaded():
            if entry.resident.ready:
                digest = entry.model.digest
                slots[digest] = slots.get(digest, 0) + entry.config.parallel
                sizes[digest] = sizes.get(digest, 0) + entry.size
        others = [running.call.digest for running in self._calls.values() if running.call.ingress != ingress]
        return tuple(Held(digest, slots[digest], sizes[digest], others.count(digest)) for digest in slots)

    async def report(self) -> Report:
        """Return a ``Report``."""
        activity = await self._service.activity()
        return Report(tuple(map(pack, await self._service.models())), activity.requests, activity.loads)

    async def cards(self, digests: frozenset[str]) -> list[Card]:
        """Return the cards of those of the models that can be read; copies of others' are theirs to tell of."""
        listing = await asyncio.to_thread(self._library.list)
        copies = await asyncio.to_thread(self.copies.names)
        cards = []
        for model in listing.models:
            if model.digest not in digests or model.name.key in copies:
                continue
            with contextlib.suppress(PunaError, OSError):
                cards.append(await asyncio.to_thread(Card.of, model))
        return cards

    # --- what it is asked to do

    async def stream(self, call: Call) -> AsyncGenerator[list[Any], None]:
        """Yield the events of one generation, those that have come meanwhile as one list.

        A ``PunaError`` comes as the last item, so that it is the same on the other side.
        """
        box: Mailbox[Any] = Mailbox()
        task = asyncio.create_task(self._fill(call, box))
        self._calls[call.id] = _Running(call, task)
        try:
            while items := await box.take():
                yield items
        finally:
            del self._calls[call.id]
            task.cancel()

    async def _fill(self, call: Call, box: Mailbox[Any]) -> None:
        try:
            arguments, named = await self._arguments(call)
            service = self._service.told([Relay(lambda asked: box.put([asked]))]) if call.watched else self._service
            self._elsewhere.know(call.digest, call.saved)
            async with aclosing(service.generate(*arguments, **named)) as events:
                async for batch in events:
                    box.put(list(batch))
                    if isinstance(batch[-1], Finished):
                        fresh = batch[-1].prompt_tokens - batch[-1].cached_tokens
                        self._elsewhere.read(call.digest, fresh, batch[-1].prompt_duration * _NS)
        except PunaError as error:
            box.put([error])
        except Exception as error:  # noqa: BLE001 - the node lives, and answers others meanwhile
            box.put([NodeFaultError(self._name, error)])
        finally:
            box.close()

    async def call(self, call: Call) -> bytes:
        """Return what a method of the service returns, packed, or the ``PunaError`` that it raises."""
        task = asyncio.create_task(self._called(call))
        self._calls[call.id] = _Running(call, task)
        try:
            return pack(await task)
        except PunaError as error:
            return pack(error)
        except Exception as error:  # noqa: BLE001 - see above
            return pack(NodeFaultError(self._name, error))
        finally:
            del self._calls[call.id]
            task.cancel()

    async def _called(self, call: Call) -> Any:
        arguments, named = await self._arguments(call)
        if not call.watched:
            return await getattr(self._service, call.method)(*arguments, **named)
        asked: list[AskedElsewhere] = []
        answer = await getattr(self._service.told([Relay(asked.append)]), call.method)(*arguments, **named)
        return Watched(answer, tuple(asked))

    async def _arguments(self, call: Call) -> Any:
        """Return the arguments of a call, when its model is here and what settings say of it holds."""
        model = await self.copies.need(call.model, call.manifest, call.peers)
        sections = self._settings.sections
        if sections.of(model.name) != call.section:
            sections.models[model.name.key] = model.name, call.section
            await self._service.settle(model)
        read = unpack(call.body, lambda _name, digest: model if digest == model.digest else self._unknown(digest))
        await self._take_over(call, next((one.id for one in read[0] if isinstance(one, Caller)), ""))
        return read

    async def _take_over(self, call: Call, name: str) -> None:
        """End a request of the same name that another ingress had asked for, if that is no more: it is asked again."""
        self._calls[call.id].name = name
        now = time.monotonic()
        for other in [running for running in self._calls.values() if running.name == name]:
            ingress = other.call.ingress
            while ingress != call.ingress and not other.task.done() and self._ingresses.get(ingress, now) <= now:
                if time.monotonic() - now > _SILENT_SECONDS:
                    other.task.cancel()
                await asyncio.sleep(_POLL_SECONDS)

    def _unknown(self, digest: str) -> Model:
        raise NotFoundError(f"no model has the digest {digest}")

    async def end(self, call_id: str) -> None:
        """End a call for which nobody waits any more."""
        if running := self._calls.get(call_id):
            running.task.cancel()

    async def cancel(self, request_id: str) -> None:
        """End a request by its id, if it is here."""
        with contextlib.suppress(NotFoundError):
            await self._service.cancel(request_id)

    async def unload(self, digest: str) -> None:
        """Take a model out of memory."""
        for entry in self._lender.loaded():
            if entry.model.digest == digest:
                await self._service.unload(entry.model)
                return

    async def forget(self, digest: str) -> None:
        """Note that a model was deleted elsewhere: its copies go. One that this machine has of its own stays."""
        await asyncio.to_thread(self.copies.drop, digest)
        models = (await asyncio.to_thread(self._library.list)).models
        if digest not in {model.digest for model in models}:
            self._service.forget(digest)

    async def sessions(self) -> SavedSessions:
        """Return the saved sessions of this node."""
        return await self._service.sessions()

    async def clear_sessions(self) -> int:
        """Remove the saved sessions of this node."""
        return await self._service.clear_sessions()

    # --- its end

    async def drain(self, seconds: float = 0.0) -> None:
        """Take no more requests, and wait until those that are here are over, or so many seconds.

        Models leave memory when none uses them any more, so that their conversations are saved and can go elsewhere.
        """
        self._draining = True
        if self._emptying is None or self._emptying.done():
            self._emptying = asyncio.create_task(self._empty())
        if seconds:
            await asyncio.wait([self._emptying], timeout=seconds)

    async def _empty(self) -> None:
        while self._draining and (self._calls or self._lender.loaded()):
            used = {running.call.digest for running in self._calls.values()}
            for entry in self._lender.loaded():
                if entry.model.digest not in used and entry.resident.ready:
                    await self._service.unload(entry.model)
            await asyncio.sleep(_DRAIN_PAUSE)
        self._looked = -_LOOK_SECONDS  # for the next beat to tell what has been saved

    async def undrain(self) -> None:
        """Take requests again."""
        self._draining = False

    async def close(self) -> None:
        """End everything."""
        self._draining = True
        for task in (self._sweeper, self._emptying, self._looking):
            if task:
                task.cancel()
        for running in list(self._calls.values()):
            running.task.cancel()
        await self._service.close()
        await self._elsewhere.close()
        await self.copies.close()
        await self._stock.close()

    async def _sweep(self) -> None:
        """End the calls of each ingress that is no more."""
        while True:
            await asyncio.sleep(INGRESS_SECONDS / 5)
            now = time.monotonic()
            for running in list(self._calls.values()):
                heard = self._ingresses.setdefault(running.call.ingress, now)
                if now - heard > INGRESS_SECONDS:
                    running.task.cancel()
            self._ingresses = {name: at for name, at in self._ingresses.items() if now - at < 2 * INGRESS_SECONDS}
