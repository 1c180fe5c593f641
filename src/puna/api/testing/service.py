"""The service of a server under a script."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, fields, replace
from typing import Any

from puna.api.services import Services
from puna.api.testing.stage import CURRENT, Lane, Turn
from puna.errors import PunaError
from puna.inference.embed import Embedded, EmbedRequest
from puna.inference.events import Event
from puna.inference.requests import GenerationRequest
from puna.models.model import Model
from puna.scheduler.lease import Caller
from puna.service.local import LocalService

_DETERMINED = {"temperature": 0, "seed": 0}
"""Options of every model, so that answers are the same each time unless a request wants otherwise."""


class DirectedService(LocalService):
    """The service of this process, which lets each generation go as the lane of its request says."""

    def generate(
        self, request: GenerationRequest, caller: Caller, keep_alive: float | None, dialect: str
    ) -> AsyncGenerator[list[Event], None]:
        """See ``Service``."""
        asked = CURRENT.get()
        if asked is None:
            return LocalService.generate(self, request, caller, keep_alive, dialect)
        try:
            turn = asked.lane.turn(asked, request)
        except PunaError as error:
            return _failing(error)
        return _played(turn, asked.lane, LocalService.generate(self, turn.request, caller, keep_alive, dialect))

    async def embed(self, request: EmbedRequest, caller: Caller, keep_alive: float | None, dialect: str) -> Embedded:
        """See ``Service``. Faults meet these requests as well; a script is of generations only."""
        if asked := CURRENT.get():
            await asyncio.sleep(asked.lane.fault(asked))
        return await LocalService.embed(self, request, caller, keep_alive, dialect)


async def _failing(error: PunaError) -> AsyncGenerator[list[Event], None]:
    raise error
    yield []


async def _played(
    turn: Turn, lane: Lane, events: AsyncGenerator[list[Event], None]
) -> AsyncGenerator[list[Event], None]:
    """Yield the events of one generation as its turn wants them."""
    begun = False
    async with aclosing(events):
        await asyncio.sleep(turn.delay)
        try:
            async for batch in events:
                begun = True
                yield batch
        except PunaError:
            if not begun:
                lane.take_back(turn)
            raise


@dataclass(frozen=True)
class DirectedServices(Services):
    """The parts of a server under a script."""

    _models: dict[str, tuple[Model, Model]] = field(default_factory=dict)

    @classmethod
    def of(cls, services: Services) -> "DirectedServices":
        """Return the parts of a server, now under a script."""
        assert isinstance(services.service, LocalService)
        return cls(**_values(services) | {"service": DirectedService(**_values(services.service))})

    def model(self, reference: str) -> Model:
        """Return a model whose answers are the same each time."""
        model = Services.model(self, reference)
        known = self._models.get(str(model.name))
        if known is None or known[0] is not model:
            determined = replace(model)
            vars(determined)["parameters"] = {**model.parameters, **_DETERMINED}
            known = self._models[str(model.name)] = model, determined
        return known[1]


def _values(part: Any) -> dict[str, Any]:
    return {entry.name: getattr(part, entry.name) for entry in fields(part)}
