"""What dialects ask of the server behind them: requests and events cross it as plain data.

One process answers in ``puna.service.local``; ``puna.cluster.service`` answers with many machines.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from puna.inference.decide import Decided, DecideRequest
from puna.inference.embed import Embedded, EmbedRequest
from puna.inference.events import Event, Started
from puna.inference.generate import Rendered
from puna.inference.options import Options
from puna.inference.requests import GenerationRequest
from puna.inference.rerank import Reranked, RerankRequest
from puna.inference.scoring import Scored
from puna.inference.watching import Watcher
from puna.models.library import Library
from puna.models.model import Model
from puna.scheduler.admission import RequestState
from puna.scheduler.lease import Caller
from puna.scheduler.options import RunnerOptions
from puna.scheduler.residency import LoadState, ModelState
from puna.scheduler.sessions import SessionInfo

OWN = "puna"
"""The dialect of routes that are Puna's own."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What is done at one moment: the requests that run, those that wait in the order of their turns, and loads."""

    requests: tuple[RequestState, ...] = ()
    loads: tuple[LoadState, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedSessions:
    """The conversations' caches on disk, the most recently used first, and the bytes that they may take."""

    limit: int
    sessions: tuple[SessionInfo, ...]


class Service(Protocol):
    """Everything that a dialect's routes need of models in memory. All methods raise ``PunaError``."""

    def generate(
        self, request: GenerationRequest, caller: Caller, keep_alive: float | None, dialect: str
    ) -> AsyncGenerator[list[Event], None]:
        """Yield the events of one answer, those that arrived together as one list; closing the iterator ends it."""
        ...

    async def render(self, request: GenerationRequest, caller: Caller, keep_alive: float | None) -> Rendered:
        """Return the prompt that ``generate`` would send."""
        ...

    async def count(self, request: GenerationRequest, caller: Caller, keep_alive: float | None) -> int:
        """Return the tokens of the prompt that ``generate`` would send."""
        ...

    async def embed(self, request: EmbedRequest, caller: Caller, keep_alive: float | None, dialect: str) -> Embedded:
        """Return the vectors of texts."""
        ...

    async def detokenize(
        self, model: Model, options: Options, tokens: Sequence[int], caller: Caller, keep_alive: float | None
    ) -> str:
        """Return the text of tokens."""
        ...

    async def pieces(
        self, model: Model, options: Options, tokens: Sequence[int], caller: Caller, keep_alive: float | None
    ) -> list[str]:
        """Return the text of each of some tokens."""
        ...

    async def score(
        self,
        model: Model,
        options: Options,
        prompt: str | Sequence[int],
        top: int,
        caller: Caller,
        keep_alive: float | None,
    ) -> list[Scored]:
        """Return the tokens of a prompt, and how likely each was after those before it."""
        ...

    async def decide(
        self, request: DecideRequest, caller: Caller, keep_alive: float | None, dialect: str = OWN
    ) -> Decided:
        """Return how likely each answer to questions is."""
        ...

    async def rerank(
        self, request: RerankRequest, caller: Caller, keep_alive: float | None, dialect: str = OWN
    ) -> Reranked:
        """Return how well documents answer a query."""
        ...

    async def tokenize(
        self, model: Model, options: Options, text: str, caller: Caller, keep_alive: float | None, *, special: bool
    ) -> list[int]:
        """Return the tokens of a text."""
        ...

    async def load(self, model: Model, options: RunnerOptions, caller: Caller, keep_alive: float | None) -> Started:
        """Bring a model into memory."""
        ...

    async def predicts(self, model: Model, options: RunnerOptions) -> bool:
        """Return whether the engine that a request would have makes use of ``GenerationRequest.prediction``."""
        ...

    async def unload(self, model: Model) -> None:
        """Take a model out of memory as soon as no request uses it."""
        ...

    def told(self, watchers: Sequence[Watcher]) -> "Service":
        """Return the service for one request, of which ``watchers`` are told."""
        ...

    async def settle(self, model: Model) -> None:
        """Let what the settings say of a model by now hold where it is in memory."""
        ...

    def forget(self, digest: str) -> None:
        """Take a model that is no more out of memory, as ``unload`` does, and remove its sessions."""
        ...

    async def models(self) -> list[ModelState]:
        """Return the models in memory, the one that stays longest first."""
        ...

    def elsewhere(self) -> Sequence[Model]:
        """Return the models of other machines, the same sequence until something changes."""
        ...

    async def activity(self) -> Activity:
        """Return the requests and the loads of this moment."""
        ...

    async def cancel(self, request_id: str) -> None:
        """End a request, whether it waits or runs; raise ``NotFoundError`` if there is none of this id."""
        ...

    async def sessions(self) -> SavedSessions:
        """Return the saved sessions."""
        ...

    async def clear_sessions(self) -> int:
        """Remove all saved sessions; return how many."""
        ...

    async def begin(self, library: Library) -> None:
        """Get ready for requests about the models of ``library``: called once, before the first."""
        ...

    async def drain(self, seconds: float) -> None:
        """Turn away requests that wait, and end those that run and are not finished after so many seconds."""
        ...

    async def close(self) -> None:
        """End every request, and let go of everything."""
        ...
