"""The scheduler with real runners."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.scheduler.conftest import Make, World, request, until

from puna.engine.client import EngineClient
from puna.engine.config import RunnerConfig
from puna.engine.errors import ModelLoadError, RunnerCrashedError
from puna.engine.memory_limit import allocated
from puna.engine.runner import Runner
from puna.errors import NotFoundError, UnavailableError
from puna.inference.embed import EmbedRequest, embed
from puna.inference.events import Finished
from puna.inference.generate import generate
from puna.models.model import Model
from puna.scheduler.capacity import Capacity
from puna.scheduler.lease import (
    Caller,
    RequestCanceledError,
    RunnerHeldError,
    RunnerStalledError,
    RunnerTooLargeError,
)
from puna.scheduler.memory import OutOfMemoryError
from puna.scheduler.watchdog import Watched


def pids(world: World) -> list[int]:
    return [entry.runner.pid for entry in world.scheduler.loaded()]


async def test_requests_wait_in_puna_and_each_client_has_its_turn(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="1")
    await world.say()
    order: list[str] = []

    async def ask(name: str) -> None:
        await world.say(client=name[0], tokens=4)
        order.append(name)

    names = ["a0", "a1", "a2", "a3", "b0", "c0"]
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(ask(name))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        states = world.scheduler.requests()
        assert [state.running for state in states] == [True] + [False] * 5
        assert [(state.client, state.position) for state in states[1:]] == [
            ("b", 0), ("c", 1), ("a", 2), ("a", 3), ("a", 4)
        ]  # fmt: skip
        assert all(state.estimated_wait for state in states[1:])
    assert order == ["a0", "b0", "c0", "a1", "a2", "a3"]


async def test_the_queue_is_bounded_for_a_loaded_model_too(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="1", OLLAMA_MAX_QUEUE="2")
    await world.say()
    tasks = [asyncio.create_task(world.say(client="a")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="server busy") as caught:
        await world.say(client="a")
    assert int(caught.value.headers["Retry-After"]) >= 1
    await asyncio.gather(*tasks)


async def test_waiting_and_running_requests_are_cancelled_by_id(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="1")
    await world.say()
    running = asyncio.create_task(world.say(tokens=100_000, caller=Caller(id="one")))
    waiting = asyncio.create_task(world.say(tokens=4, caller=Caller(id="two")))
    last = asyncio.create_task(world.say(tokens=4, caller=Caller(id="three")))
    await asyncio.sleep(0.05)
    world.scheduler.cancel("two")
    with pytest.raises(RequestCanceledError, match="request canceled"):
        await waiting
    world.scheduler.cancel("one")
    with pytest.raises(RequestCanceledError):
        await running
    await last
    with pytest.raises(NotFoundError, match="'one'"):
        world.scheduler.cancel("one")


async def test_requests_that_are_cancelled_do_not_pile_up_in_memory(make: Make) -> None:
    async def cancel_one(name: str) -> None:
        events = generate(world.scheduler, request(world.cria, 400), caller=Caller(id=name))
        await anext(events)
        await anext(events)
        world.scheduler.cancel(name)
        with pytest.raises(RequestCanceledError):
            await anext(events)
        await until(lambda: not world.scheduler.requests())

    world = make()
    await cancel_one("first")
    before = len(clients())
    for number in range(4):
        await cancel_one(str(number))
    assert len(clients()) == before


def clients() -> list[EngineClient]:
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) is EngineClient]  # isinstance would wake lazy modules


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


async def test_a_smaller_context_does_not_reload_and_a_larger_one_does(make: Make) -> None:
    world = make()
    await world.say(num_ctx=512)
    first = pids(world)
    await world.say(num_ctx=256)
    await world.say()
    assert pids(world) == first
    busy = asyncio.create_task(world.say(num_ctx=512, tokens=30))
    await asyncio.sleep(0.02)
    await asyncio.gather(world.say(num_ctx=1024), world.say(num_ctx=1024))
    await busy
    assert pids(world) != first
    assert world.scheduler.loaded()[0].config.context == 1024


async def test_models_make_room_for_each_other_without_failing_anybody(make: Make) -> None:
    world = make(OLLAMA_MAX_LOADED_MODELS="1", OLLAMA_NUM_PARALLEL="2")
    models = [world.cria, world.another("one"), world.another("two")]
    await asyncio.gather(*(world.say(models[index % 3], client=str(index % 4)) for index in range(9)))
    assert len(world.scheduler.loaded()) == 1


async def test_a_model_that_can_never_fit_is_refused_at_once(make: Make) -> None:
    world = make()
    with pytest.raises(OutOfMemoryError, match=r"requires more system memory \([\d.]+ GiB\) than is available"):
        await world.say(num_ctx=2048, tokens=1, model=_huge(world))
    assert not (world.scheduler.requests() or world.scheduler.loading() or world.scheduler.loaded())


def _huge(world: World) -> Model:
    model = world.another("huge")
    sparse = world.settings.models / "huge.bin"
    sparse.touch()
    os.truncate(sparse, 1 << 43)
    model.__dict__["adapters"] = (sparse,)
    return model


async def test_an_engine_that_is_gone_is_told_of_once_for_each_load(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(PUNA_ENGINE="/nowhere/llama-server")
    for _ in range(3):
        await world.say()
    assert caplog.text.count("there is no engine '/nowhere/llama-server'") == 1


async def test_keep_alive_ends_a_model_and_unload_does_so_when_it_is_free(make: Make) -> None:
    world = make(OLLAMA_KEEP_ALIVE="50ms")
    await world.say()
    await until(lambda: not world.processes())
    busy = asyncio.create_task(world.say(tokens=30))
    await until(lambda: world.scheduler.loaded() and world.scheduler.loaded()[0].users)
    await world.scheduler.unload(world.cria)
    await busy
    await until(lambda: not world.processes())


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
    spawn = asyncio.create_subprocess_exec

    async def stillborn(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await spawn(*arguments, **options)
        process.kill()
        await process.wait()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", stillborn)
    for loop in (uvloop.new_event_loop, asyncio.new_event_loop):  # each has its own word for a pipe that is closed
        with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(ModelLoadError, match="ended by signal 9"):
            runner.run(Runner.start("x", RunnerConfig(model_path="x", context=8), tmp_path, load_timeout=20))
    assert not list(tmp_path.iterdir())


async def test_a_runner_that_cannot_be_started_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> asyncio.subprocess.Process:
        raise OSError("too many open files")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fail)
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


async def test_a_call_to_a_runner_that_has_ended_fails_as_if_it_had_crashed(make: Make) -> None:
    world = make()
    await world.say()
    client = world.scheduler.loaded()[0].runner.client.borrowed()
    await world.scheduler.unload(world.cria)
    with pytest.raises(RunnerCrashedError, match="stopped unexpectedly"):
        await client.slots()


async def test_an_unload_goes_on_when_whoever_asked_for_it_goes_away(make: Make) -> None:
    world = make(PUNA_SESSIONS="0")
    await world.say()
    (process,) = world.processes()
    process.suspend()  # so that it takes a while
    unloading = asyncio.create_task(world.scheduler.unload(world.cria))
    await asyncio.sleep(0.1)
    unloading.cancel()
    await until(lambda: not world.processes())


async def test_a_request_that_comes_with_an_unload_gets_a_runner_that_stays(make: Make) -> None:
    world = make()
    await world.say()
    unloading = [asyncio.create_task(world.scheduler.unload(world.cria)) for _ in range(2)]

    async def ask() -> None:
        async with world.scheduler.acquire(world.cria, request(world.cria, 1).options.runner) as lease:
            await unloading[0]
            await lease.client.slots()

    await asyncio.gather(ask(), *unloading)
    assert len(world.processes()) == 1


async def test_an_answer_that_is_complete_is_not_cancelled_any_more(make: Make) -> None:
    world = make()
    events = generate(world.scheduler, request(world.cria, 4), caller=Caller(id="one"))
    async for batch in events:
        if any(isinstance(event, Finished) for event in batch):
            world.scheduler.cancel("one")
    assert not world.scheduler.requests()


async def test_a_request_whose_turn_has_just_come_is_cancelled(make: Make) -> None:
    world = make()
    await world.say()
    asked = asyncio.create_task(world.say(caller=Caller(id="one")))
    await asyncio.sleep(0)
    assert [state.running for state in world.scheduler.requests()] == [True]
    world.scheduler.cancel("one")
    with pytest.raises(RequestCanceledError):
        await asked
    assert world.scheduler.loaded()[0].users == 0


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


async def test_a_runner_that_does_not_end_when_told_is_killed(make: Make) -> None:
    world = make()
    await world.say()
    (process,) = world.processes()
    process.suspend()
    await world.scheduler.unload(world.cria)
    assert not process.is_running()


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that bounds the memory of runners that are started from now on, in MiB."""
    bounds: list[int] = []
    spawn = asyncio.create_subprocess_exec

    async def spawn_bounded(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await spawn(*arguments, **options)
        for bound in bounds[-1:]:  # it allocates nothing much before it is told which model to load
            _, most = resource.prlimit(process.pid, resource.RLIMIT_DATA)
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (bound, most))
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn_bounded)
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
    asked = [asyncio.create_task(world.say(tokens=tokens)) for tokens in (100_000, 8)]
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGABRT)
    os.kill(pid, signal.SIGCONT)
    await until(lambda: pids(world) and pid not in pids(world))
    await until(lambda: sorted(state.state for state in world.scheduler.requests()) == ["running", "waiting"])
    os.kill(pids(world)[0], signal.SIGABRT)
    with pytest.raises(RunnerCrashedError, match="by signal 6"):
        await asked[0]
    assert await asked[1] == expected


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


async def vectors(world: World) -> None:
    options = request(world.cria, 1).options
    await embed(world.scheduler, EmbedRequest(model=world.cria, texts=("a text",), options=options))


async def test_texts_to_embed_wait_for_no_answer_and_nothing_is_loaded_twice(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="1", OLLAMA_MAX_LOADED_MODELS="1")
    await world.say()
    answer = asyncio.create_task(world.say(tokens=100_000))
    await until(lambda: world.scheduler.requests())
    async with asyncio.timeout(60):
        await vectors(world)
    assert not answer.done()
    both = sorted(pids(world))
    assert len(both) == 2
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    for _ in range(2):
        await vectors(world)
        await world.say()
    assert sorted(pids(world)) == both
    (state,) = world.scheduler.models()
    assert state.size == sum(entry.size for entry in world.scheduler.loaded())
    await world.scheduler.unload(world.cria)
    assert not world.processes()


async def test_where_memory_is_short_one_runner_does_both_from_then_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Capacity, "bytes", lambda _: 400 << 20)
    world = make()
    await world.say()
    await vectors(world)
    only = pids(world)
    assert len(only) == 1
    await world.say(num_ctx=256)
    await vectors(world)
    assert pids(world) == only
    await world.scheduler.unload(world.cria)
    await world.say()
    only = pids(world)
    await vectors(world)
    assert pids(world) == only


async def test_when_a_model_is_said_to_leave(make: Make) -> None:
    def left() -> float:
        (state,) = world.scheduler.models()
        return state.expires_at - time.time()

    world = make(OLLAMA_KEEP_ALIVE="100s")
    first = generate(world.scheduler, request(world.cria, 100_000), keep_alive=50)
    await anext(first)
    assert left() == pytest.approx(50, abs=20), "it was never idle"
    await first.aclose()
    await world.say()
    assert left() == pytest.approx(100, abs=20)
    second = generate(world.scheduler, request(world.cria, 100_000), keep_alive=0)
    await anext(second)
    assert left() == pytest.approx(100, abs=20), "when it was to leave before this request, as in Ollama"
    world.scheduler.loaded()[0].expires_at = 1.0
    assert left() == pytest.approx(0, abs=20), "no time that has passed"
    await second.aclose()
    await until(lambda: not world.processes())
