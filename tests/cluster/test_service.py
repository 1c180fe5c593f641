"""A cluster of real nodes with real engines, in one process: what it answers."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.cluster.fleet import Cluster

import puna.cluster.node
from puna.engine.devices import Device
from puna.engine.engines import About
from puna.errors import BadRequestError, NotFoundError
from puna.inference.embed import EmbedRequest
from puna.inference.events import Event, Text
from puna.inference.options import Options
from puna.inference.requests import Conversation, Message
from puna.inference.rerank import RerankRequest
from puna.inference.watching import Asked
from puna.scheduler.lease import Caller, RequestCanceledError
from puna.scheduler.options import RunnerOptions
from puna.telemetry.record import Record

LONG = {"num_predict": 2000, "ignore_eos": True, "num_ctx": 4096, "temperature": 0}


class Watching:
    """See ``Watcher``."""

    wants_prompt = True

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.records: list[Record] = []
        self.told: list[str] = []

    def takes(self, options: Options) -> Options:
        return replace(options, num_predict=7)

    def asks(self, asked: Asked) -> None:
        self.asked.append(asked)
        self.told.append("asks")

    def says(self, events: Sequence[Event]) -> None:
        assert events
        if self.told[-1] != "says":
            self.told.append("says")

    def ends(self, record: Record) -> None:
        self.records.append(record)
        self.told.append("ends")

    def over(self) -> None:
        self.told.append("over")


async def test_a_node_answers_as_this_process_would(cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    text, end = await cluster.answer(cluster.request())
    assert text
    assert (end.reason, end.generated_tokens) == ("length", 8)
    vectors = await cluster.service.embed(
        EmbedRequest(model=cluster.cria, texts=("a", "b"), options=Options()), Caller(), None, "ollama"
    )
    assert vectors.vectors.shape[0] == 2
    tokens = await cluster.service.tokenize(cluster.cria, Options(), "Hello", Caller(), None, special=False)
    assert await cluster.service.detokenize(cluster.cria, Options(), tokens, Caller(), None) == "Hello"
    assert [state.model.digest for state in await cluster.service.models()] == [cluster.cria.digest]
    await cluster.service.unload(cluster.cria)
    assert await cluster.service.models() == []


async def test_predictions_are_of_use_where_every_node_has_an_engine_for_them(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.fleet.add("one")
    await cluster.nodes(1)
    assert await cluster.service.predicts(cluster.cria, RunnerOptions()) is False
    monkeypatch.setattr(puna.cluster.node, "about_of", lambda _: About(source="", version="", predicts=True))
    async with asyncio.timeout(20):
        while not await cluster.service.predicts(cluster.cria, RunnerOptions()):
            await asyncio.sleep(0.05)


async def test_a_node_has_its_cards_for_models_as_well(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.cluster.node.Engines.program", lambda _engines: "/usr/bin/engine")
    monkeypatch.setattr("puna.cluster.node.about_of", lambda _program: About(source="", version=""))
    monkeypatch.setattr("puna.cluster.node.devices", lambda _program: (Device("card", 2 << 50, 1 << 50),))
    await cluster.fleet.add("one")
    await cluster.nodes(1)
    assert cluster.service.nodes()[0].memory > 1 << 50


async def test_watchers_are_told_what_a_runner_was_asked(cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    watcher = Watching()
    cluster.service = cluster.service.told([watcher])
    await cluster.answer(cluster.request())
    rerank = RerankRequest(model=cluster.cria, name="cria", query="a", documents=("b",), options=Options())
    await cluster.service.rerank(rerank, Caller(), None)
    embed = EmbedRequest(model=cluster.cria, texts=("a",), options=Options())
    await cluster.service.embed(embed, Caller(), None, "ollama")
    generation, ranks, embedding = watcher.asked
    assert (generation.context, generation.options["num_predict"], len(generation.prompt_digest)) == (512, 7, 64)
    assert generation.request.options.num_predict == 7
    assert (ranks.request.query, embedding.request.texts) == ("a", ("a",))
    assert watcher.told == ["asks", "says", "ends", "over", *["asks", "ends", "over"] * 2]
    assert all(record.prompt > 0 for record in watcher.records)


async def test_an_error_is_the_same_as_without_a_cluster(cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    request = replace(cluster.request("word " * 600, num_ctx=256), truncate=False, shift=False)
    with pytest.raises(BadRequestError, match="exceeds the context length") as caught:
        await cluster.answer(request)
    assert caught.value.code == "context_length_exceeded"


async def test_a_conversation_comes_back_to_the_node_that_knows_it(cluster: Cluster) -> None:
    for name in ("one", "two", "three"):
        await cluster.fleet.add(name)
    await cluster.nodes(3)
    system = Message(role="system", content="You are a careful assistant. " * 4)
    talks = {
        name: [system, Message(role="user", content=f"My name is {name}. " * 6)]
        for name in ("Ada", "Bo", "Cleo", "Dan", "Eve", "Finn")
    }
    read = cached = 0
    for turn in range(4):
        for name, talk in talks.items():
            request = replace(cluster.request(num_ctx=1024), input=Conversation(messages=tuple(talk)))
            text, end = await cluster.answer(request, Caller(name, conversation=name))
            talk += [Message(role="assistant", content=text), Message(role="user", content=f"And then, {turn}?")]
            if turn:
                read, cached = read + end.prompt_tokens, cached + end.cached_tokens
    assert cached / read >= 0.8


async def test_what_serve_sends_twice_is_answered_and_a_name_that_is_taken_refused(cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    for name in ("6f1c2a34-0b5d-4e7f-8a90-1b2c3d4e5f60", "mine"):
        tasks = [asyncio.create_task(cluster.answer(cluster.request(), Caller("a", id=name))) for _ in range(2)]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [end for end in ends if isinstance(end, BadRequestError)]
        assert len(refused) == (name == "mine"), ends
        assert all(end[0] for end in ends if isinstance(end, tuple))


async def test_a_request_is_cancelled_wherever_it_is(cluster: Cluster) -> None:
    waiting = asyncio.create_task(cluster.answer(cluster.request(), Caller("a", "waits")))
    await asyncio.sleep(0.05)
    (state,) = (await cluster.service.activity()).requests
    assert (state.id, state.state, state.position) == ("waits", "waiting", 0)
    assert state.estimated_wait
    await cluster.service.cancel("waits")
    with pytest.raises(RequestCanceledError):
        await waiting
    await cluster.fleet.add("one")
    records: list[Record] = []
    cluster.service._subscribers = (records.append,)
    running = asyncio.create_task(cluster.answer(cluster.request(**LONG), Caller("a", "runs")))
    while not [state for state in (await cluster.service.activity()).requests if state.state == "running"]:
        await asyncio.sleep(0.05)
    await cluster.service.cancel("runs")
    with pytest.raises(RequestCanceledError):
        await running
    assert [(record.outcome, record.error) for record in records] == [("gone", "RequestCanceledError")]
    with pytest.raises(NotFoundError):
        await cluster.service.cancel("nobody")


async def test_a_client_that_goes_ends_its_generation(cluster: Cluster) -> None:
    node = await cluster.fleet.add("one")
    events = cluster.service.generate(cluster.request(**LONG), Caller("a"), None, "ollama")
    async for batch in events:
        if isinstance(batch[-1], Text):
            break
    await events.aclose()
    async with asyncio.timeout(5):
        while node._calls or (await cluster.service.activity()).requests:
            await asyncio.sleep(0.02)


async def test_a_request_that_is_refused_at_once_is_told_of_like_any_other(cluster: Cluster) -> None:
    watcher = Watching()
    asked = asyncio.create_task(cluster.answer(cluster.request(), Caller("a", id="mine")))
    await asyncio.sleep(0)
    refused = cluster.service.told([watcher]).generate(cluster.request(), Caller("a", id="mine"), None, "ollama")
    with pytest.raises(BadRequestError, match="mine"):
        await anext(refused)
    assert [record.outcome for record in watcher.records] == ["failed"]
    assert watcher.told == ["ends", "over"]
    await cluster.fleet.add("one")
    assert (await asked)[0]


async def test_a_look_at_those_who_wait_reads_the_models_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [asyncio.create_task(cluster.answer(cluster.request(), Caller(f"{at}"))) for at in range(50)]
    await asyncio.sleep(0.1)
    looks, listing = [], cluster.library.list

    def counted() -> Any:
        looks.append(threading.current_thread())
        return listing()

    monkeypatch.setattr(cluster.library, "list", counted)
    activity = await cluster.service.activity()
    assert {(state.model, state.state) for state in activity.requests} == {("cria:latest", "waiting")}
    assert len(activity.requests) == 50
    assert len(looks) <= 3
    assert threading.main_thread() not in looks
    for task in waiting:
        task.cancel()
