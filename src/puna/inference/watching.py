"""What is told of a single request to whoever wants more of it than its record: a recorder, or a trace."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from puna.inference.events import Event
from puna.inference.options import Options
from puna.inference.prepare import Prepared
from puna.models.model import Model
from puna.scheduler.launch import engine_identity
from puna.scheduler.lease import Lease
from puna.telemetry.record import Record

if TYPE_CHECKING:
    from puna.inference.requests import GenerationRequest

_NOT_OPTIONS = ("logprobs", "embeds", "engine")
"""What a runner is told beside the options of a request."""
_LEFT_OUT = ("runner", "sampling", "unknown")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request came to when a runner had it.

    ``request`` is as it was asked of the service, ``options`` are all that held, by their names. ``context`` is in
    tokens. ``prompt_digest`` is the SHA-256 (hex) of the prompt's text, "" where nobody wants it or there is none.
    """

    model: Model
    request: Any
    options: Mapping[str, Any]
    context: int
    engine: str
    prompt_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedElsewhere:
    """What of ``Asked`` only the machine knows whose runner it was; the rest is known where the request came in."""

    options: Mapping[str, Any]
    context: int
    engine: str
    prompt_digest: str

    @classmethod
    def of(cls, asked: Asked) -> "AskedElsewhere":
        """Return what is sent of it."""
        return cls(options=asked.options, context=asked.context, engine=asked.engine, prompt_digest=asked.prompt_digest)

    def asked(self, model: Model, request: Any) -> Asked:
        """Return the whole of it."""
        return Asked(
            model=model,
            request=request,
            options=self.options,
            context=self.context,
            engine=self.engine,
            prompt_digest=self.prompt_digest,
        )


class Watcher(Protocol):
    """Is told of one request. Its methods must be quick and must not raise."""

    wants_prompt: bool
    """Whether the prompt's digest is worth a question to the engine."""

    def takes(self, options: Options) -> Options:
        """Return the options with which the request is to be made."""
        ...

    def asks(self, asked: Asked) -> None:
        """Take note of what a runner is asked."""
        ...

    def says(self, events: Sequence[Event]) -> None:
        """Take note of the next events of an answer."""
        ...

    def ends(self, record: Record) -> None:
        """Take note of the end: a subscriber of the request's record. The last events may still come."""
        ...

    def over(self) -> None:
        """Take note that nothing more comes."""
        ...


def effective(options: Options) -> dict[str, Any]:
    """Return all options that hold, by the names that requests have for them or, of samplers, the engine has."""
    runner = {name: value for name, value in asdict(options.runner).items() if name not in _NOT_OPTIONS}
    own = {name: value for name, value in asdict(options).items() if name not in _LEFT_OUT}
    return {**options.sampling, **own, **runner}


async def tell(watchers: Sequence[Watcher], request: "GenerationRequest", prepared: Prepared, lease: Lease) -> None:
    """Tell of a generation that is about to begin."""
    digest = ""
    if any(watcher.wants_prompt for watcher in watchers):
        text = await prepared.rendered(lease.client)
        digest = sha256(f"{list(prepared.prefix)}{text}".encode()).hexdigest()
    asked = Asked(
        model=request.model,
        request=request,
        options=effective(request.options),
        context=lease.context,
        engine=engine_identity(lease.runner.config.engine),
        prompt_digest=digest,
    )
    for watcher in watchers:
        watcher.asks(asked)


def taken(watchers: Sequence[Watcher], request: R) -> R:
    """Return a request, which has options, with those that it is to be made with."""
    for watcher in watchers:
        request = replace(request, options=watcher.takes(request.options))  # type: ignore[type-var, attr-defined]
    return request


async def watched(
    watchers: Sequence[Watcher], events: AsyncGenerator[list[Event], None]
) -> AsyncGenerator[list[Event], None]:
    """Yield the events of an answer, and tell of them."""
    try:
        async with aclosing(events):
            async for batch in events:
                for watcher in watchers:
                    watcher.says(batch)
                yield batch
    finally:
        for watcher in watchers:
            watcher.over()
