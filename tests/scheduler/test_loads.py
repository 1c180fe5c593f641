"""Loads of real runners: those that fail, stand still, want memory, or that nobody waits for."""

import asyncio
import contextlib
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.scheduler.conftest import Make, pids, until

from puna.engine import template_trial
from puna.engine.config import RunnerConfig
from puna.engine.errors import ModelLoadError
from puna.engine.process import Process
from puna.engine.runner import Runner
from puna.scheduler import launch, tuning_store


async def test_whoever_goes_away_leaves_the_load_to_the_others(make: Make) -> None:
    world = make()
    first = asyncio.create_task(world.say())
    second = asyncio.create_task(world.say())
    await asyncio.sleep(0.02)
    first.cancel()
    await second
    assert first.cancelled()
    assert len(world.processes()) == 1


async def test_all_who_wait_for_a_load_that_fails_are_told(make: Make) -> None:
    world = make(OLLAMA_LOAD_TIMEOUT="1ms")
    results = await asyncio.gather(world.say(), world.say(), return_exceptions=True)
    assert all(isinstance(result, ModelLoadError) for result in results)
    assert "did not load in time (OLLAMA_LOAD_TIMEOUT is 0.001 seconds)" in str(results[0])
    assert not world.processes()


async def test_an_engine_that_is_gone_is_told_of_once_for_each_load(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(PUNA_ENGINE="/nowhere/llama-server")
    for _ in range(3):
        await world.say()
    assert caplog.text.count("there is no engine '/nowhere/llama-server'") == 1


async def test_a_runner_that_is_killed_while_it_loads_is_started_again(make: Make) -> None:
    world = make()
    asked = [asyncio.create_task(world.say()) for _ in range(2)]
    await until(world.processes)
    world.processes()[0].kill()
    first, second = await asyncio.gather(*asked)
    assert first == second != ""


async def test_a_runner_that_is_killed_each_time_it_loads_is_an_error_that_says_so(make: Make) -> None:
    world = make()
    asked = asyncio.create_task(world.say())
    killed: set[int] = set()
    while not asked.done():
        for process in world.processes():
            killed.add(process.pid)
            process.kill()
        await asyncio.sleep(0.01)
    with pytest.raises(ModelLoadError, match="failed to load: the process was ended by signal 9"):
        await asked
    assert len(killed) == 2


async def test_a_load_that_stands_still_is_begun_again(make: Make) -> None:
    world = make(OLLAMA_LOAD_TIMEOUT="2s")
    began = time.monotonic()
    asked = asyncio.create_task(world.say())
    await until(world.processes)
    (process,) = world.processes()
    process.suspend()
    assert await asked
    assert process.pid not in pids(world)
    lasted = time.monotonic() - began
    load = world.scheduler.loaded()[0].resident.load_seconds
    assert load < lasted - 2, "the time that was lost earns no longer turn"


def test_a_runner_that_dies_before_it_is_told_anything_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Process.start

    async def stillborn(*arguments: Any) -> Process:
        process = await start(*arguments)
        process.kill()
        await process.wait()
        return process

    monkeypatch.setattr(Process, "start", stillborn)
    for loop in (uvloop.new_event_loop, asyncio.new_event_loop):
        with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(ModelLoadError, match="ended by signal 9"):
            runner.run(Runner.start("x", RunnerConfig(model_path="x", context=8), tmp_path, load_timeout=20))
    assert not list(tmp_path.iterdir())


async def test_a_runner_that_cannot_be_started_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> Process:
        raise OSError("too many open files")

    monkeypatch.setattr(Process, "start", fail)
    with pytest.raises(OSError, match="too many"):
        await Runner.start("x", RunnerConfig(model_path="x", context=8), tmp_path, load_timeout=20)
    assert not list(tmp_path.iterdir())


async def test_a_load_that_fails_in_an_unknown_way_holds_up_nobody(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Runner:
        raise RuntimeError("something odd")

    world = make()
    with monkeypatch.context() as patched:
        patched.setattr(Runner, "start", fail)
        with pytest.raises(ModelLoadError, match="cannot load cria:latest: something odd"):
            await world.say()
    assert await world.say()


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that bounds the memory of runners that are started from now on, in MiB."""
    bounds: list[int] = []
    start = Process.start

    async def start_bounded(*arguments: Any) -> Process:
        process = await start(*arguments)
        for bound in bounds[-1:]:  # it allocates nothing much before it is told which model to load
            _, most = resource.prlimit(process.pid, resource.RLIMIT_DATA)
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (bound, most))
        return process

    monkeypatch.setattr(Process, "start", start_bounded)
    return lambda mib: bounds.append(mib << 20)


async def test_a_load_without_enough_memory_is_tried_again_smaller(
    make: Make, little_memory: Callable[[int], None]
) -> None:
    world = make(OLLAMA_CONTEXT_LENGTH="2048")
    little_memory(250)
    await world.say()
    assert world.scheduler.loaded()[0].config.parallel == 1


async def test_a_load_without_enough_memory_sends_idle_models_away(
    make: Make, little_memory: Callable[[int], None]
) -> None:
    world = make(OLLAMA_CONTEXT_LENGTH="2048", OLLAMA_NUM_PARALLEL="8")
    await world.say()
    little_memory(250)
    with pytest.raises(ModelLoadError, match="failed to allocate"):
        await world.say(world.another("one"))
    assert not world.scheduler.loaded()


async def test_a_load_that_nobody_waits_for_any_more_ends(make: Make) -> None:
    world = make()
    asked = [asyncio.create_task(world.say()) for _ in range(2)]
    await until(world.processes)
    (process,) = world.processes()
    process.suspend()
    assert [load.model for load in world.scheduler.loading()] == ["cria:latest"]
    asked[0].cancel()
    await asyncio.sleep(0.2)
    assert process.is_running()
    asked[1].cancel()
    await until(lambda: not (world.processes() or world.scheduler.loading()))
    assert await world.say()


async def test_whoever_comes_while_a_load_for_nobody_ends_waits_for_the_next(make: Make) -> None:
    world = make()
    asked = asyncio.create_task(world.say())
    await until(world.processes)
    asked.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asked
    assert world.scheduler.loading(), "it is still on its way out"
    assert await world.say()


async def test_a_load_that_drags_on_holds_up_no_other_model(make: Make) -> None:
    world = make()
    one, two = world.another("one"), world.another("two")
    asked = asyncio.create_task(world.say(one))
    await until(world.processes)
    world.processes()[0].suspend()
    async with asyncio.timeout(60):
        assert await world.say(two)
    assert not asked.done()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)


async def test_the_event_loop_waits_for_no_look_at_the_machine(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # One starts a program that names the processor, the others read files.
    threads: dict[str, threading.Thread] = {}

    def noting(module: Any, name: str) -> None:
        done = getattr(module, name)

        def first(*given: Any) -> Any:
            threads.setdefault(name, threading.current_thread())
            return done(*given)

        monkeypatch.setattr(module, name, first)

    launch._portable_identity.cache_clear()  # it is asked for once in a process
    noting(tuning_store, "_processor")
    noting(launch, "version")
    noting(template_trial, "_trusted")
    world = make()
    model = world.another("copy")
    assert not model.is_builtin
    await world.say(model, tokens=1)
    assert threads.keys() == {"_processor", "version", "_trusted"}
    assert threading.main_thread() not in threads.values()
