"""How long a model stays in memory: the clock of its ``keep_alive``, and who stops it."""

import asyncio
import time
from pathlib import Path
from typing import Any, cast

import pytest
from tests.scheduler.conftest import Make, pids, request, until

from puna import builtin
from puna.engine.config import RunnerConfig
from puna.engine.runner import Runner
from puna.models.library import Library
from puna.scheduler.admission import Admission
from puna.scheduler.capacity import Capacity
from puna.scheduler.demand import Demand
from puna.scheduler.lease import LoadedModel
from puna.scheduler.memory import Footprint, plan
from puna.scheduler.policy import Policy, Resident
from puna.scheduler.queue import Ticket
from puna.scheduler.residency import Residency
from puna.settings import Settings

SHORT = 0.05
"""Seconds."""


async def test_the_clock_of_a_model_stands_still_while_it_is_in_use(make: Make) -> None:
    world = make()
    await world.say()
    first = pids(world)
    options = request(world.cria, 1).options.runner
    async with world.scheduler.acquire(world.cria, options, keep_alive=SHORT):
        pass
    async with world.scheduler.acquire(world.cria, options, keep_alive=SHORT):
        await asyncio.sleep(2 * SHORT)
        assert pids(world) == first
    async with world.scheduler.acquire(world.cria, options, keep_alive=3600):
        pass  # before the clock of the request before has run down
    await asyncio.sleep(2 * SHORT)
    assert pids(world) == first


class _Runner:
    """A runner of which nothing is asked but to end."""

    alive = False

    def __init__(self) -> None:
        self.stopped = False

    async def stop(self) -> None:
        self.stopped = True


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_model_that_a_request_waits_for_is_not_sent_away_by_its_clock(tmp_path: Path, *, wanted: bool) -> None:
    settings = Settings.from_env({"OLLAMA_KEEP_ALIVE": f"{SHORT}s"})
    policy = Policy(capacity=lambda: 1 << 40, max_queue=8)
    nothing: Any = lambda *_: None  # noqa: E731 - what happens next is not asked here
    capacity, admission = Capacity(lambda: True), Admission(policy)
    residency = Residency(settings, tmp_path, policy, capacity, admission, changed=nothing, lost=nothing)
    model, runner = Library(builtin.STORE).get(builtin.CRIA), _Runner()
    demand = Demand(Footprint(1 << 20, 0, 8192), context=512)
    loaded = plan(demand.footprint, context=512, parallel=1, available=1 << 40)
    resident = Resident("lane", demand, loaded, loaded.size, time.monotonic())
    policy.residents["lane"] = resident
    policy.loaded(resident, 0, time.monotonic(), 0.0)
    config = RunnerConfig(model_path=str(model.path), context=512)
    residency.loaded["lane"] = LoadedModel(model, config, cast("Runner", runner), resident, keep_alive=0)
    residency.settle(model)
    if wanted:
        policy.submit(Ticket("one", "", "lane", demand, time.monotonic()))
    if wanted:
        await asyncio.sleep(4 * SHORT)
        assert resident.ready
    else:
        await until(lambda: runner.stopped)
    await residency.close()
