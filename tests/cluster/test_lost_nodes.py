"""A cluster in one process whose nodes, or whose ingress, are lost, hang, are slow or drain."""

import asyncio
import errno
import math
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from tests.cluster.fleet import Cluster

from puna.api.errors import fault_of
from puna.cluster.fleet import NodeLostError
from puna.cluster.service import ClusterService
from puna.cluster.wire import Call, pack
from puna.errors import BadRequestError, PunaError
from puna.inference.embed import EmbedRequest
from puna.inference.events import Event, Text
from puna.inference.options import Options
from puna.scheduler.lease import Caller
from puna.service.local import LocalService

LONG = {"num_predict": 2000, "ignore_eos": True, "num_ctx": 4096, "temperature": 0}


async def test_what_had_not_begun_runs_on_another_node(cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    await cluster.nodes(1)
    cluster.fleet.hung.add("one")
    task = asyncio.create_task(cluster.answer(cluster.request()))
    await asyncio.sleep(0.1)
    await cluster.fleet.add("two")
    began = time.monotonic()
    await cluster.fleet.kill("one")
    text, _ = await task
    assert text
    assert cluster.where() == ["one", "two"]
    assert time.monotonic() - began < 20


async def test_a_request_that_loses_three_nodes_is_taken_for_the_cause(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.fleet.add("one")
    tries = []

    async def lost(node: str, _call: Call) -> AsyncIterator[list[Any]]:
        tries.append(node)
        raise NodeLostError(f"{node} died")
        yield []

    monkeypatch.setattr(cluster.fleet, "stream", lost)
    with pytest.raises(NodeLostError, match="died") as raised:
        await cluster.answer(cluster.request())
    assert tries == ["one"] * 3
    assert (raised.value.status, raised.value.headers) == (503, {"Retry-After": "2"})


async def test_a_node_that_is_lost_before_anybody_listens_to_it_is_lost_all_the_same(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.fleet.add("one")
    await cluster.nodes(1)
    tried: list[str] = []

    def hangs_here(value: Any) -> bytes:
        if not tried:
            cluster.fleet.hung.add("one")
            cluster.service._dispatch._lost("one", "it hangs")
        tried.append("one")
        return pack(value)

    monkeypatch.setattr("puna.cluster.dispatch.pack", hangs_here)
    task = asyncio.create_task(cluster.answer(cluster.request()))
    while not tried:
        await asyncio.sleep(0.01)
    await cluster.fleet.add("two")
    async with asyncio.timeout(20):
        assert (await task)[0]
    assert len(tried) == 2


async def test_an_answer_that_had_begun_ends_with_an_error(cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    seen: list[Event] = []

    async def read() -> None:
        async for batch in cluster.service.generate(cluster.request(**LONG), Caller("a"), None, "ollama"):
            seen.extend(batch)

    task = asyncio.create_task(read())
    while not any(isinstance(event, Text) for event in seen):
        await asyncio.sleep(0.01)
    began = time.monotonic()
    await asyncio.gather(cluster.fleet.kill("one"), task, return_exceptions=True)
    assert time.monotonic() - began < 2
    with pytest.raises(NodeLostError, match="died"):
        await task


async def test_a_node_that_hangs_is_taken_out_and_comes_back(cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    await cluster.nodes(1)
    cluster.fleet.hung.add("one")
    await cluster.nodes(0)
    await cluster.fleet.add("two")
    assert (await cluster.answer(cluster.request()))[0]
    cluster.fleet.hung.clear()
    await cluster.nodes(2)


async def test_a_node_that_answers_is_not_taken_out_for_being_slow_to_tell_of_itself(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puna.cluster.dispatch.PATIENCE", 0.5)
    await cluster.fleet.add("one")
    await cluster.nodes(1)
    request = cluster.request(**{**LONG, "num_predict": 3000})
    events = cluster.service.generate(request, Caller("a"), None, "ollama")
    began = 0.0
    async with aclosing(events):
        async for batch in events:
            if not began and any(isinstance(event, Text) for event in batch):
                cluster.fleet.slow.add("one")
                began = time.monotonic()
            if began and time.monotonic() - began > 2:
                break
    assert [state.id for state in cluster.service.nodes()] == ["one"]
    await cluster.nodes(0)


async def test_a_slow_node_that_hangs_amid_an_answer_is_noticed_as_soon_as_another(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puna.cluster.dispatch.PATIENCE", 3.0)
    await cluster.fleet.add("one")
    await cluster.nodes(1)
    events = cluster.service.generate(cluster.request(**{**LONG, "num_predict": 3000}), Caller("a"), None, "ollama")
    slow = hung = 0.0
    with pytest.raises(NodeLostError):
        async with aclosing(events):
            async for batch in events:
                now = time.monotonic()
                if not slow and any(isinstance(event, Text) for event in batch):
                    cluster.fleet.slow.add("one")
                    slow = now
                elif slow and not hung and now - slow > 0.6:
                    cluster.fleet.hung.add("one")
                    hung = now
    assert time.monotonic() - hung < 4.5


async def test_a_process_that_had_no_time_asks_a_node_once_more(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puna.cluster.dispatch.PATIENCE", 0.2)
    monkeypatch.setattr("puna.cluster.dispatch.BEAT", 0.01)
    await cluster.fleet.add("one")
    await cluster.nodes(1)
    lost: list[str] = []
    monkeypatch.setattr(cluster.service._dispatch, "_lost", lambda name, why: lost.append(name))
    cluster.fleet.slow.add("one")
    await asyncio.sleep(0.1)
    time.sleep(0.7)
    await asyncio.sleep(0.1)
    assert lost == []
    async with asyncio.timeout(20):
        while not lost:
            await asyncio.sleep(0.05)


async def test_a_node_that_drains_ends_what_it_has_begun_and_others_answer_meanwhile(cluster: Cluster) -> None:
    old = await cluster.fleet.add("old")
    options = {"num_predict": 400, "ignore_eos": True, "num_ctx": 1024}
    begun = asyncio.create_task(cluster.answer(cluster.request(**options), Caller("a")))
    while not old._calls:
        await asyncio.sleep(0.02)
    await cluster.fleet.add("new")
    await cluster.nodes(2)
    draining = asyncio.create_task(old.drain(60))
    while not any(state.draining for state in cluster.service.nodes()):
        await asyncio.sleep(0.02)
    assert (await cluster.answer(cluster.request(), Caller("b")))[0]
    _, end = await begun
    assert end.generated_tokens == 400
    await draining
    assert cluster.where() == ["old", "new"]


async def test_what_an_ingress_that_is_no_more_had_asked_for_ends(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puna.cluster.node.INGRESS_SECONDS", 1.0)
    node = await cluster.fleet.add("one")
    lost = ClusterService(cluster.fleet.settings, (), cluster.fleet)
    await lost.begin(cluster.library)
    events = lost.generate(cluster.request(**LONG), Caller("a"), None, "ollama")
    async for batch in events:
        if isinstance(batch[-1], Text):
            break
    await lost._dispatch.close()  # its beats end; nobody has told the node
    async with asyncio.timeout(20):
        while node._calls:
            await asyncio.sleep(0.05)
    await events.aclose()
    await lost.close()


async def test_what_an_ingress_had_asked_for_that_died_is_asked_again_by_its_name(cluster: Cluster) -> None:
    node = await cluster.fleet.add("one")
    lost = ClusterService(cluster.fleet.settings, (), cluster.fleet)
    await lost.begin(cluster.library)
    caller = Caller("a", id="named")
    events = lost.generate(cluster.request(**LONG), caller, None, "ollama")
    async for batch in events:
        if isinstance(batch[-1], Text):
            break
    with pytest.raises(BadRequestError, match="named"):  # as long as both live
        await cluster.answer(cluster.request(), caller)
    await lost._dispatch.close()  # its beats end; nobody has told the node
    assert len(node._calls) == 1
    async with asyncio.timeout(8):
        assert (await cluster.answer(cluster.request(), caller))[0]
    await events.aclose()
    await lost.close()


async def test_a_node_that_was_only_slow_ends_what_it_was_lost_with_before_it_is_asked_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await cluster.fleet.add("one")
    await cluster.answer(cluster.request())
    real, ask = node.call, cluster.fleet.ask
    begun: list[Call] = []
    going: list[asyncio.Task[bytes]] = []

    async def goes_on(name: str, method: str, *arguments: Any) -> Any:
        if method != "call" or begun:
            return await ask(name, method, *arguments)
        begun.append(arguments[0])
        going.append(asyncio.create_task(real(arguments[0])))  # as Ray's do, whoever stops to wait
        return await asyncio.shield(going[0])

    monkeypatch.setattr(cluster.fleet, "ask", goes_on)
    texts = tuple(f"{at} " * 100 for at in range(15))
    request = EmbedRequest(model=cluster.cria, texts=texts, options=Options())
    task = asyncio.create_task(cluster.service.embed(request, Caller("a", id="named"), None, "ollama"))
    while not any(state.id == "named" for state in node._lender.requests()):
        await asyncio.sleep(0.01)
    cluster.service._dispatch._lost("one", "it hangs")
    async with asyncio.timeout(60):
        assert len((await task).vectors) == len(texts)
    assert len(begun) == 1


async def test_a_node_whose_disk_is_slow_is_not_taken_out(cluster: Cluster) -> None:
    node = await cluster.fleet.add("one")
    await cluster.nodes(1)
    look, slow = node._look, threading.Event()
    looks = []

    def looks_slowly() -> Any:
        looks.append(1)
        slow.wait(10)
        return look()

    node._look = looks_slowly  # type: ignore[method-assign]
    node._looked = -math.inf
    until = time.monotonic() + 4
    while time.monotonic() < until:
        assert [state.id for state in cluster.service.nodes()] == ["one"]
        await asyncio.sleep(0.1)
    slow.set()
    assert len(looks) == 1


async def test_a_fault_of_ours_amid_one_answer_is_nothing_to_the_others_of_its_node(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.fleet.add("one")
    long = asyncio.create_task(cluster.answer(cluster.request(**{**LONG, "num_predict": 400}), Caller("a")))
    while not any(method == "generate" for _, method in cluster.fleet.calls):
        await asyncio.sleep(0.01)
    node = cluster.fleet.nodes["one"]
    while not node._lender.loaded():
        await asyncio.sleep(0.01)

    def fails(*_arguments: Any, **_named: Any) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr(LocalService, "generate", fails)
        patched.setattr(LocalService, "tokenize", fails)
        with pytest.raises(PunaError, match="one: ") as generated:
            await cluster.answer(cluster.request(), Caller("b"))
        with pytest.raises(PunaError, match="one: ") as called:
            await cluster.service.tokenize(cluster.cria, Options(), "Hello", Caller(), None, special=False)
    assert [caught.value.status for caught in (generated, called)] == [fault_of(OSError(errno.ENOSPC, "")).status] * 2
    assert (await long)[1].generated_tokens == 400


async def test_a_node_that_is_lost_before_it_is_asked_is_lost_all_the_same(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch, placed = cluster.service._dispatch, []
    step = dispatch.router.step

    def loses(now: float) -> Any:
        actions = step(now)
        if actions and not placed:
            placed.extend(actions)
            asyncio.get_running_loop().call_soon(dispatch._lost, "one", "it hangs")  # before the request hears of it
        return actions

    monkeypatch.setattr(dispatch.router, "step", loses)
    asked = asyncio.create_task(cluster.answer(cluster.request()))
    await asyncio.sleep(0)
    await cluster.fleet.add("one")
    async with asyncio.timeout(30):
        assert (await asked)[0]
    assert placed
