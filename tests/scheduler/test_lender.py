"""Who gets a slot of real runners, in which order, and when a model leaves."""

import asyncio
import gc
import os
import time

import pytest
from tests.scheduler.conftest import Make, World, pids, request, until

from puna.engine.client import EngineClient
from puna.errors import NotFoundError, UnavailableError
from puna.inference.embed import EmbedRequest, embed
from puna.inference.events import Finished
from puna.inference.generate import generate
from puna.models.model import Model
from puna.scheduler.capacity import Capacity
from puna.scheduler.lease import (
    Caller,
    RequestCanceledError,
)
from puna.scheduler.memory import OutOfMemoryError


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


async def test_keep_alive_ends_a_model_and_unload_does_so_when_it_is_free(make: Make) -> None:
    world = make(OLLAMA_KEEP_ALIVE="50ms")
    await world.say()
    await until(lambda: not world.processes())
    busy = asyncio.create_task(world.say(tokens=30))
    await until(lambda: world.scheduler.loaded() and world.scheduler.loaded()[0].users)
    await world.scheduler.unload(world.cria)
    await busy
    await until(lambda: not world.processes())


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
