"""What a request is given: who asks, the model in memory, and a slot of its runner."""

import asyncio
import math
import secrets
from dataclasses import dataclass, field, replace
from typing import Self

from puna.engine.client import EngineClient
from puna.engine.config import RunnerConfig
from puna.engine.errors import RunnerCrashedError
from puna.engine.runner import Runner
from puna.errors import PunaError
from puna.models.model import Model
from puna.scheduler.policy import Resident
from puna.scheduler.tuned import UNTUNED, Tuned
from puna.scheduler.warm import WarmSlots

_CLIENT_CLOSED_REQUEST = 499


class RequestCanceledError(PunaError):
    """Somebody cancelled the request by its id."""

    status = _CLIENT_CLOSED_REQUEST

    def __init__(self) -> None:
        super().__init__("request canceled")


class RunnerStalledError(RunnerCrashedError):
    """The runner did not get any further and was ended."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"the runner of model {name} made no progress for {seconds:g} seconds and was ended")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: ``client`` has its turns in the queue, ``id`` names the request, ``batch`` is its class.

    ``again`` is for a request that was running when its runner was lost.
    """

    client: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    batch: bool = False
    again: bool = False

    def once_more(self) -> Self:
        """Return the caller of the second try."""
        return replace(self, again=True)


@dataclass(eq=False)
class LoadedModel:
    """A model in memory: its runner, and when it leaves."""

    model: Model
    config: RunnerConfig
    runner: Runner
    resident: Resident
    keep_alive: float
    warm: WarmSlots | None = None
    tuned: Tuned = UNTUNED
    """What had been measured for it when it was loaded."""
    expires_at: float = math.inf
    """Wall-clock time (seconds since the epoch) at which it leaves memory unless it is used before."""
    timer: asyncio.TimerHandle | None = None

    @property
    def size(self) -> int:
        """Return the bytes that it takes, estimated or measured, whichever is more.

        What the process of a model that lies whole on cards holds elsewhere is not its own.
        """
        plan = self.resident.plan
        return plan.size if plan.on_cards == plan.size else self.resident.size

    @property
    def size_on_cards(self) -> int:
        """Return how many of these bytes are estimated to lie on graphics cards."""
        return self.resident.plan.on_cards

    @property
    def users(self) -> int:
        """Return how many requests it answers now."""
        return self.resident.active


@dataclass(eq=False, slots=True)
class Lease:
    """A slot of a runner, held for one request, and the calls that the request makes.

    ``context`` is the tokens that the request may fill; ``load_duration`` is in nanoseconds, waiting included.
    """

    runner: Runner
    client: EngineClient
    context: int
    load_duration: int
    warm: WarmSlots | None = None
    """The saved sessions that a prompt may go on from, where the runner can restore them."""
    ended_by: PunaError | None = None

    def end(self, reason: PunaError) -> None:
        """Break off the calls of the request, which then fails with ``reason``."""
        self.ended_by = reason
        self.client.abort()

    async def failure(self) -> PunaError:
        """Return why the calls of the request failed."""
        return self.ended_by or await self.runner.crash_error()
