"""The service of one process."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from puna.inference.choices import one_of, several
from puna.inference.decide import Decided, DecideRequest, decide
from puna.inference.embed import Embedded, EmbedRequest, embed
from puna.inference.events import Event, Finished, Reading, Started
from puna.inference.generate import Rendered, count, generate, load, outcome_of, render
from puna.inference.options import Options
from puna.inference.requests import GenerationRequest
from puna.inference.rerank import Reranked, RerankRequest, rerank
from puna.inference.scoring import Scored, score
from puna.inference.vocabulary import detokenize, pieces, tokenize
from puna.inference.watching import Asked, Watcher, effective, taken, watched
from puna.models.library import Library
from puna.models.model import Model
from puna.scheduler.launch import engine_identity
from puna.scheduler.lease import Caller
from puna.scheduler.lender import Lender
from puna.scheduler.options import RunnerOptions
from puna.scheduler.residency import ModelState
from puna.service import OWN, Activity, SavedSessions
from puna.service.counted import counted
from puna.telemetry.log import log_record
from puna.telemetry.metrics import count_record
from puna.telemetry.record import DONE, GONE, Record, Subscriber

SUBSCRIBERS: Sequence[Subscriber] = (log_record, count_record)
"""Who is told of each request that is over, whatever server it is."""


@dataclass(frozen=True, slots=True)
class LocalService:
    """The service of this process. ``subscribers`` are told of each request that is over, ``watchers`` of this one."""

    scheduler: Lender
    subscribers: Sequence[Subscriber] = SUBSCRIBERS
    watchers: Sequence[Watcher] = ()

    def generate(
        self, request: GenerationRequest, caller: Caller, keep_alive: float | None, dialect: str
    ) -> AsyncGenerator[list[Event], None]:
        """See ``Service``."""
        record = self._record(request.model, caller, dialect)
        if self.watchers:
            asked = taken(self.watchers, request)
            return watched(self.watchers, self._generate(asked, caller, keep_alive, record))
        return self._generate(request, caller, keep_alive, record)

    def _generate(
        self, request: GenerationRequest, caller: Caller, keep_alive: float | None, record: Record
    ) -> AsyncGenerator[list[Event], None]:
        if request.choices == 1:
            return generate(self.scheduler, request, keep_alive, caller, record, self.watchers)

        def one(choice: int) -> AsyncGenerator[list[Event], None]:
            own = replace(caller, id=f"{caller.id}.{choice}") if choice else caller
            part = Record(own.id, record.model, "", [record.take_part])
            watchers = () if choice else self.watchers
            return generate(self.scheduler, one_of(request, choice), keep_alive, own, part, watchers)

        return recorded(several(request.choices, one), record)

    async def render(self, request: GenerationRequest, caller: Caller, keep_alive: float | None) -> Rendered:
        """See ``Service``."""
        return await render(self.scheduler, request, keep_alive, caller)

    async def count(self, request: GenerationRequest, caller: Caller, keep_alive: float | None) -> int:
        """See ``Service``."""
        return await count(self.scheduler, request, keep_alive, caller)

    async def embed(self, request: EmbedRequest, caller: Caller, keep_alive: float | None, dialect: str) -> Embedded:
        """See ``Service``."""

        async def work(request: EmbedRequest) -> Embedded:
            result = await embed(self.scheduler, request, keep_alive=keep_alive, caller=caller)
            self._tell(request)
            return result

        return await counted(request, self._record(request.model, caller, dialect), self.watchers, work)

    async def detokenize(
        self, model: Model, options: Options, tokens: Sequence[int], caller: Caller, keep_alive: float | None
    ) -> str:
        """See ``Service``."""
        return await detokenize(self.scheduler, model, options, tokens, keep_alive, caller)

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
        return await score(self.scheduler, model, options, prompt, top, keep_alive, caller)

    async def pieces(
        self, model: Model, options: Options, tokens: Sequence[int], caller: Caller, keep_alive: float | None
    ) -> list[str]:
        """See ``Service``."""
        return await pieces(self.scheduler, model, options, tokens, keep_alive, caller)

    async def decide(
        self, request: DecideRequest, caller: Caller, keep_alive: float | None, dialect: str = OWN
    ) -> Decided:
        """See ``Service``."""

        async def work(request: DecideRequest) -> Decided:
            result = await decide(self.scheduler, request, keep_alive, caller)
            self._tell(request)
            return result

        return await counted(request, self._record(request.model, caller, dialect), self.watchers, work)

    async def rerank(
        self, request: RerankRequest, caller: Caller, keep_alive: float | None, dialect: str = OWN
    ) -> Reranked:
        """See ``Service``."""

        async def work(request: RerankRequest) -> Reranked:
            result = await rerank(self.scheduler, request, keep_alive, caller)
            self._tell(request)
            return result

        return await counted(request, self._record(request.model, caller, dialect), self.watchers, work)

    def _tell(self, request: EmbedRequest | DecideRequest | RerankRequest) -> None:
        """Tell what a runner was asked, as far as that can be seen from here."""
        for watcher in self.watchers:
            watcher.asks(self._asked(request))

    def _asked(self, request: EmbedRequest | DecideRequest | RerankRequest) -> Asked:
        model = request.model
        runners = [entry for entry in self.scheduler.loaded() if entry.model.digest == model.digest]
        return Asked(
            model=model,
            request=request,
            options=effective(request.options),
            context=runners[0].config.context if runners else 0,
            engine=engine_identity(runners[0].config.engine) if runners else "",
        )

    async def tokenize(
        self, model: Model, options: Options, text: str, caller: Caller, keep_alive: float | None, *, special: bool
    ) -> list[int]:
        """See ``Service``."""
        return await tokenize(self.scheduler, model, options, text, keep_alive, caller, special=special)

    async def load(self, model: Model, options: RunnerOptions, caller: Caller, keep_alive: float | None) -> Started:
        """See ``Service``."""
        return await load(self.scheduler, model, options, keep_alive, caller)

    async def predicts(self, model: Model, options: RunnerOptions) -> bool:
        """See ``Service``."""
        return await asyncio.to_thread(self.scheduler.predicts, model, options)

    async def unload(self, model: Model) -> None:
        """See ``Service``."""
        await self.scheduler.unload(model)

    def told(self, watchers: Sequence[Watcher]) -> "LocalService":
        """See ``Service``."""
        return replace(self, watchers=watchers)

    async def settle(self, model: Model) -> None:
        """See ``Service``."""
        self.scheduler.settle(model)

    def forget(self, digest: str) -> None:
        """See ``Service``."""
        self.scheduler.forget(digest)

    async def models(self) -> list[ModelState]:
        """See ``Service``."""
        return self.scheduler.models()

    def elsewhere(self) -> Sequence[Model]:
        """See ``Service``."""
        return ()

    async def activity(self) -> Activity:
        """See ``Service``."""
        return Activity(tuple(self.scheduler.requests()), tuple(self.scheduler.loading()))

    async def cancel(self, request_id: str) -> None:
        """See ``Service``."""
        self.scheduler.cancel(request_id)

    async def sessions(self) -> SavedSessions:
        """See ``Service``."""
        store = self.scheduler.sessions
        return SavedSessions(store.limit, tuple(await asyncio.to_thread(store.list, beginnings=True)))

    async def clear_sessions(self) -> int:
        """See ``Service``."""
        return await asyncio.to_thread(self.scheduler.sessions.clear)

    async def begin(self, library: Library) -> None:
        """See ``Service``. Removes what a process that was killed left, and sessions of models that are no more."""
        sessions = self.scheduler.sessions
        sessions.clean()
        for digest in library.gone(sessions.digests()):  # of models that somebody else has deleted
            sessions.forget(digest)

    async def drain(self, seconds: float) -> None:
        """See ``Service``."""
        await self.scheduler.drain(seconds)

    async def close(self) -> None:
        """See ``Service``."""
        await self.scheduler.close()

    def _record(self, model: Model, caller: Caller, dialect: str) -> Record:
        told = (*self.subscribers, *(watcher.ends for watcher in self.watchers))
        return Record(caller.id, str(model.name), dialect, told, key=caller.key, batch=caller.batch)


async def recorded(events: AsyncGenerator[list[Event], None], record: Record) -> AsyncGenerator[list[Event], None]:
    """Yield the events of an answer, of several choices or from elsewhere, and record them as one request."""
    sent: Counter[int] = Counter()
    try:
        async with aclosing(events):
            async for batch in events:
                for event in batch:
                    if isinstance(event, Started):
                        record.ready = record.elapsed()
                    elif isinstance(event, Finished):
                        record.generated -= sent.pop(event.choice, 0)
                        record.count(*event.counts)
                    elif not isinstance(event, Reading):
                        record.first = record.first or record.elapsed()
                        record.generated += 1  # until the engine tells: a client may leave before
                        sent[event.choice] += 1
                yield batch
        record.end(DONE)
    except Exception as error:
        record.end(outcome_of(error), type(error).__name__)
        raise
    finally:
        record.end(GONE)
