"""What a request is given: who asks, the model in memory, and a slot of its runner."""

import asyncio
import math
import secrets
import signal
import time
from dataclasses import dataclass, field, replace
from typing import Self

from puna.engine.client import EngineClient
from puna.engine.config import RunnerConfig
from puna.engine.errors import RunnerCrashedError
from puna.engine.runner import Runner
from puna.errors import PunaError
from puna.models.model import Model
from puna.scheduler.policy import Resident
from puna.scheduler.queue import Ticket
from puna.scheduler.tuned import UNTUNED, Tuned
from puna.scheduler.warm import WarmSlots

_CLIENT_CLOSED_REQUEST = 499
_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
"""Signals that no request makes a runner end by: somebody sent them, or the system for want of memory."""
_MOST_LOSSES = 3
"""How many runners a request may lose by others' fault."""


class RequestCanceledError(PunaError):
    """Somebody cancelled the request by its id."""

    status = _CLIENT_CLOSED_REQUEST

    def __init__(self) -> None:
        super().__init__("request canceled")


class RunnerStalledError(RunnerCrashedError):
    """The runner did not get any further and was ended."""

    word = "stalled"
    suspect = True

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"the runner of model {name} made no progress for {seconds:g} seconds and was ended")


class RunnerTooLargeError(RunnerCrashedError):
    """The runner took more memory than was planned for it, and was ended."""

    word = "memory"
    suspect = True

    def __init__(self, name: str, size: int) -> None:
        super().__init__(
            f"the runner of model {name} took more memory than it may ({size >> 20} MiB, see PUNA_MEMORY_MARGIN) "
            "and was ended"
        )


class RunnerHeldError(RunnerCrashedError):
    """The runner went on working for somebody who had gone, and was ended; those who are told so have no part in it."""

    word = "held"

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(
            f"the runner of model {name} went on working for {seconds:.0f} seconds for a client that had gone, "
            "and was ended"
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: ``client`` has its turns in the queue, ``id`` names the request, ``batch`` is its class.

    ``key`` is the name of the key that was presented, or ""; ``weight`` is how many turns the client has where one of
    weight 1 has one.

    ``conversation`` is a short name of the one that the request belongs to, "" if it does not say.

    ``losses`` is how many runners it has lost, and ``alone`` tells that it may have been the cause: it then runs with
    no other beside it, so that a second loss has one cause only.
    """

    client: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    batch: bool = False
    key: str = ""
    weight: float = 1.0
    conversation: str = ""
    losses: int = 0
    alone: bool = False

    def after(self, error: RunnerCrashedError) -> Self:
        """Return the caller of the next try after its runner was lost; raise ``error`` if there is to be none."""
        if error.alone or self.alone or self.losses >= (_MOST_LOSSES if isinstance(error, RunnerHeldError) else 1):
            raise error
        return replace(self, losses=self.losses + 1, alone=error.suspect)


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
    most_memory: float = math.inf
    """Bytes of private memory that its process may hold."""
    expires_at: float | None = None
    """Wall-clock time (seconds since the epoch) at which it was to leave memory when it was last idle."""
    timer: asyncio.TimerHandle | None = None
    lost_by: str = "crashed"
    """Why it was lost, in a word: on its own, or ended for what it did."""
    company: int | None = None
    """How many requests it was answering when it was lost."""

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

    ``context`` is the tokens that the request may fill; ``load_duration`` is in nanoseconds, waiting included,
    of which ``loading`` went into a load.
    """

    runner: Runner
    client: EngineClient
    context: int
    load_duration: int
    ticket: Ticket
    warm: WarmSlots | None = None
    """The saved sessions that a prompt may go on from, where the runner can restore them."""
    loading: int = 0
    ended_by: PunaError | None = None
    began: float = field(default_factory=time.monotonic)
    """Seconds of the monotonic clock."""

    @property
    def most_slots(self) -> int:
        """Return how many slots its calls may use at this moment: all for texts to embed, which come together."""
        if not self.client.waiting_since:
            return 0
        return self.runner.config.parallel if self.ticket.demand.embeds else 1

    def end(self, reason: PunaError) -> None:
        """Break off the calls of the request, which then fails with ``reason``."""
        self.ended_by = reason
        self.client.abort()

    async def failure(self, company: int | None) -> PunaError:
        """Return why the calls of the request failed, its runner being lost among ``company`` requests."""
        if self.ended_by:
            return self.ended_by
        error = await self.runner.crash_error()
        error.suspect = error.signal not in _FROM_OUTSIDE
        error.alone = error.suspect and company is not None and company <= 1
        return error
