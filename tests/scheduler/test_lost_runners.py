"""Runners that die, hang, break or take too much, and what becomes of the requests on them."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import psutil
import pytest
from tests.scheduler.conftest import Make, World, pids, request, until

from puna.engine.errors import RunnerCrashedError
from puna.engine.memory_limit import allocated
from puna.inference.events import Event, Text
from puna.inference.generate import generate
from puna.scheduler.lease import (
    Caller,
    RunnerHeldError,
    RunnerStalledError,
    RunnerTooLargeError,
)
from puna.scheduler.watchdog import Watchdog, Watched
from puna.telemetry.record import DONE, FAILED, Record


async def test_a_call_to_a_runner_that_has_ended_fails_as_if_it_had_crashed(make: Make) -> None:
    world = make()
    await world.say()
    client = world.scheduler.loaded()[0].runner.client.borrowed()
    await world.scheduler.unload(world.cria)
    with pytest.raises(RunnerCrashedError, match="stopped unexpectedly"):
        await client.slots()


async def test_a_runner_that_dies_before_the_answer_begins_is_replaced(make: Make) -> None:
    world = make()
    expected = await world.say()
    (pid,) = pids(world)
    os.kill(pid, signal.SIGSTOP)
    asked = [asyncio.create_task(world.say()) for _ in range(2)]
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.gather(*asked) == [expected, expected]
    assert pid not in pids(world)


async def test_a_runner_that_dies_amid_the_answer_is_an_error_that_says_so(make: Make) -> None:
    world = make()
    await world.say()
    events = generate(world.scheduler, request(world.cria, 400))
    await anext(events)
    await anext(events)
    os.kill(pids(world)[0], signal.SIGKILL)
    with pytest.raises(RunnerCrashedError, match=r"the runner of model cria:latest ended unexpectedly \(by signal 9\)"):
        async for _ in events:
            pass
    assert await world.say()


async def test_a_runner_that_hangs_is_replaced(make: Make) -> None:
    world = make(PUNA_STALL_TIMEOUT="1s")
    expected = await world.say()
    (pid,) = pids(world)
    begun = generate(world.scheduler, request(world.cria, 400))
    await anext(begun)
    await anext(begun)
    os.kill(pid, signal.SIGSTOP)
    fresh = asyncio.create_task(world.say())
    with pytest.raises(RunnerCrashedError, match="made no progress for 1 seconds"):
        async for _ in begun:
            pass
    assert await fresh == expected
    assert pid not in pids(world)


async def test_a_template_is_not_to_blame_when_the_runner_stands_still(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puna.engine.client._TEMPLATE_SECONDS", 2)
    world = make()
    expected = await world.say()
    (process,) = world.processes()
    process.suspend()
    await until(lambda: process.status() == psutil.STATUS_STOPPED)  # its other threads work on for a moment
    messages = {"messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(RunnerStalledError, match="made no progress for 2 seconds"):
        async with world.scheduler.acquire(world.cria, request(world.cria, 1).options.runner) as lease:
            await lease.client.apply_template(messages)
    assert await world.say() == expected


async def test_a_slow_reader_is_not_a_hanging_runner(make: Make) -> None:
    world = make(PUNA_STALL_TIMEOUT="1s")
    events = generate(world.scheduler, request(world.cria, 60))
    await anext(events)
    await anext(events)
    await asyncio.sleep(2.5)
    async for _ in events:
        pass


async def test_a_runner_that_computes_has_time_in_proportion_to_its_prompt() -> None:
    watched = Watched(slots=[{"n_prompt_tokens": 3000}], moved_at=0.0, worked_at=0.0)
    for second in range(1, 40):
        watched.note_work(second, 0.5 * second)
        assert not watched.hangs(second, limit=10)
    assert watched.hangs(40, limit=10)
    stopped = Watched(slots=[{"n_prompt_tokens": 3000}], moved_at=0.0, worked_at=0.0)
    assert stopped.hangs(10, limit=10)


async def test_a_runner_that_others_have_given_up_before_is_given_up_without_a_fault(make: Make) -> None:
    world = make()
    await world.say()
    lost: list[object] = []
    Watchdog(10, lost.append).give_up(world.scheduler.loaded()[0], RunnerHeldError("cria", 10))
    assert lost == []


async def test_a_runner_that_does_not_end_when_told_is_killed(make: Make) -> None:
    world = make()
    await world.say()
    (process,) = world.processes()
    process.suspend()
    await world.scheduler.unload(world.cria)
    assert not process.is_running()


async def compile_for_ever(world: World) -> None:
    """Have the engine compile what it does not come to an end with; Puna's own routes would refuse it."""
    schema = {"type": "object", "properties": {"n": {"type": "integer", "multipleOf": 12345678}}, "required": ["n"]}
    async with world.scheduler.acquire(world.cria, request(world.cria, 1).options.runner) as lease:
        await lease.client.complete({"prompt": [1], "json_schema": schema, "n_predict": 20})


async def gone(work: Any, world: World) -> None:
    """Let work begin, and its client go away."""
    (process,) = world.processes()
    before = process.cpu_times().user
    task = asyncio.create_task(work)
    await until(lambda: process.cpu_times().user > before + 0.3)
    assert [state.state for state in world.scheduler.requests()] == ["running"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_slot_that_goes_on_for_a_client_that_has_gone_takes_the_model_from_nobody(make: Make) -> None:
    world = make()
    expected = await world.say()
    (pid,) = pids(world)
    await gone(compile_for_ever(world), world)
    assert [state.state for state in world.scheduler.requests()] == ["ending"]
    another = asyncio.create_task(world.say(world.another("one")))
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(world.say() for _ in range(3))) == [expected] * 3
    await another
    assert pid not in pids(world)
    assert not world.scheduler.requests()


async def test_a_slot_that_goes_on_is_noticed_when_nobody_asks_any_more(make: Make) -> None:
    world = make()
    await world.say()
    (process,) = world.processes()
    await gone(compile_for_ever(world), world)
    await until(lambda: not process.is_running() and not world.scheduler.requests())


async def test_a_client_that_goes_away_costs_nobody_the_runner(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2")
    await world.say()
    before = pids(world)
    long = asyncio.create_task(world.say(tokens=100_000))
    for _ in range(3):
        events = generate(world.scheduler, request(world.cria, 400))
        await anext(events)
        await anext(events)
        await events.aclose()
    await until(lambda: [state.state for state in world.scheduler.requests()] == ["running"])
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    await until(lambda: not world.scheduler.requests())
    await asyncio.sleep(4)
    assert pids(world) == before


async def test_a_request_that_was_alone_on_a_runner_that_broke_does_not_run_again(make: Make) -> None:
    world = make()
    await world.say()
    os.kill(pids(world)[0], signal.SIGSTOP)
    asked = asyncio.create_task(world.say())
    await asyncio.sleep(0.1)
    os.kill(pids(world)[0], signal.SIGABRT)
    os.kill(pids(world)[0], signal.SIGCONT)
    with pytest.raises(RunnerCrashedError, match="by signal 6"):
        await asked
    assert not world.processes()


async def test_of_requests_on_a_runner_that_broke_each_runs_again_by_itself(make: Make) -> None:
    world = make()
    expected = await world.say()
    (pid,) = pids(world)
    os.kill(pid, signal.SIGSTOP)
    asked = {asyncio.create_task(world.say(tokens=100_000)) for _ in range(2)}
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGABRT)
    os.kill(pid, signal.SIGCONT)
    await until(lambda: pids(world) and pid not in pids(world))
    await until(lambda: sorted(state.state for state in world.scheduler.requests()) == ["running", "waiting"])
    os.kill(pids(world)[0], signal.SIGABRT)
    (ended,), (other,) = await asyncio.wait(asked, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(RunnerCrashedError, match="by signal 6"):
        await ended
    await until(lambda: [state.state for state in world.scheduler.requests()] == ["running"])
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    assert await world.say() == expected


@pytest.mark.parametrize(
    ("error", "caller", "again"),
    [
        (RunnerCrashedError("killed"), Caller(), True),
        (RunnerCrashedError("killed"), Caller(losses=1), False),
        (RunnerHeldError("m", 4), Caller(losses=2), True),
        (RunnerHeldError("m", 4), Caller(losses=3), False),
        (RunnerHeldError("m", 4), Caller(losses=1, alone=True), False),
        (RunnerStalledError("m", 4), Caller(), True),
    ],
)
def test_how_often_a_request_runs(error: RunnerCrashedError, caller: Caller, again: bool) -> None:
    if again:
        following = caller.after(error)
        assert (following.losses, following.alone) == (caller.losses + 1, error.suspect)
    else:
        with pytest.raises(type(error)):
            caller.after(error)


async def test_a_runner_that_takes_more_memory_than_planned_is_ended(make: Make) -> None:
    world = make()
    await world.say()
    entry = world.scheduler.loaded()[0]
    entry.most_memory = 1 << 20
    asked = asyncio.create_task(world.say(tokens=100_000))
    with pytest.raises(RunnerTooLargeError, match="took more memory than it may"):
        await asked


async def test_a_runner_cannot_ask_for_more_memory_than_planned_and_a_margin(make: Make) -> None:
    world = make(PUNA_MEMORY_MARGIN="64M")
    await world.say()
    (process,) = world.processes()
    bound, _ = resource.prlimit(process.pid, resource.RLIMIT_DATA)
    plan = world.scheduler.loaded()[0].resident.plan
    assert allocated(process.pid) <= bound <= allocated(process.pid) + (64 << 20) + plan.prompt_cache
    unbound = make(PUNA_MEMORY_MARGIN="0")
    await unbound.say()
    bound, _ = resource.prlimit(unbound.scheduler.loaded()[0].runner.pid, resource.RLIMIT_DATA)
    assert bound == resource.RLIM_INFINITY


async def test_an_answer_that_nobody_has_seen_any_of_begins_anew(make: Make) -> None:
    world = make()
    expected = await world.say(tokens=400)
    asked = replace(request(world.cria, 400), whole=True)
    record = Record("one", "cria", "")
    answering = asyncio.create_task(collect(generate(world.scheduler, asked, record=record)))
    await until(lambda: record.generated > 5)
    (pid,) = pids(world)
    os.kill(pid, signal.SIGKILL)
    assert await answering == expected
    assert pid not in pids(world)
    assert (record.outcome, record.generated) == (DONE, 400)


async def test_an_answer_alone_on_a_runner_that_broke_does_not_begin_anew(make: Make) -> None:
    world = make()
    await world.say()
    record = Record("one", "cria", "")
    asked = replace(request(world.cria, 400), whole=True)
    answering = asyncio.create_task(collect(generate(world.scheduler, asked, record=record)))
    await until(lambda: record.generated > 5)
    os.kill(pids(world)[0], signal.SIGABRT)
    with pytest.raises(RunnerCrashedError, match="by signal 6"):
        await answering
    assert record.outcome == FAILED


async def collect(events: AsyncGenerator[list[Event], None]) -> str:
    """Return the text of an answer."""
    return "".join([event.text async for batch in events for event in batch if isinstance(event, Text)])
