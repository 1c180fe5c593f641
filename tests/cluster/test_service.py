"""A cluster of real nodes with real engines, in one process."""

import asyncio
import errno
import math
import shutil
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
import requests
from tests.cluster.fleet import Cluster
from yarl import URL

import puna.cluster.node
from puna.api.errors import fault_of
from puna.cluster.fleet import NodeLostError
from puna.cluster.service import ClusterService
from puna.cluster.wire import Call, pack
from puna.engine.devices import Device
from puna.engine.engines import About
from puna.errors import BadRequestError, NotFoundError, PunaError
from puna.inference.embed import EmbedRequest
from puna.inference.events import Event, Text
from puna.inference.options import Options
from puna.inference.requests import Conversation, Message
from puna.inference.rerank import RerankRequest
from puna.inference.watching import Asked
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.models.registry import peers
from puna.models.registry.errors import TransientError
from puna.models.registry.peers import Peers, State
from puna.names import parse_name
from puna.scheduler.lease import Caller, RequestCanceledError
from puna.scheduler.options import RunnerOptions
from puna.service.local import LocalService
from puna.telemetry.record import Record

SMALL = 10_000
"""More than a configuration and a template are together, which a node may have taken before another one asks."""
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


async def test_what_serve_sends_twice_is_answered_and_a_name_that_is_taken_refused(cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    for name in ("6f1c2a34-0b5d-4e7f-8a90-1b2c3d4e5f60", "mine"):
        tasks = [asyncio.create_task(cluster.answer(cluster.request(), Caller("a", id=name))) for _ in range(2)]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [end for end in ends if isinstance(end, BadRequestError)]
        assert len(refused) == (name == "mine"), ends
        assert all(end[0] for end in ends if isinstance(end, tuple))


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


async def test_a_model_comes_to_the_nodes_that_lack_it_and_each_byte_leaves_its_origin_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_ANSWER_SECONDS", 60.0)  # a busy machine must not make a node pass another over
    origin = await cluster.fleet.add("origin", ["origin"])
    model_name = parse_name("mine")
    await asyncio.to_thread(_make, origin._library, model_name)
    for name in ("one", "two", "three", "four"):
        await cluster.fleet.add(name, ["worker"], hide_builtin=True)
    await cluster.nodes(5)
    async with asyncio.timeout(10):
        while not cluster.library.has(model_name):
            await asyncio.sleep(0.05)
    model = cluster.library.get(model_name)
    assert model.template == "{{ .Prompt }}!", "it is told of as if it were here"
    cluster.fleet.settings.sections.models[model_name.key] = (
        model_name,
        replace(cluster.fleet.settings.sections.of(model_name), nodes=("worker",)),
    )
    answers = await asyncio.gather(
        *(cluster.answer(cluster.request(f"{at}", model, num_predict=64), Caller(f"{at}")) for at in range(32))
    )
    assert all(end.generated_tokens for _, end in answers)
    homes = {node for node, method in cluster.fleet.calls if method == "generate"}
    assert "origin" not in homes
    assert len(homes) >= 2
    sent = {name: (await cluster.fleet.ask(name, "beat", "test")).sent for name in cluster.fleet.nodes}
    assert model.size <= sent["origin"] < model.size + SMALL
    assert model.size * len(homes) <= sum(sent.values()) < model.size * len(homes) + SMALL


async def test_a_model_comes_from_nodes_that_were_too_busy_to_answer_at_first(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = await cluster.fleet.add("origin")
    await asyncio.to_thread(_make, origin._library, parse_name("mine"))
    await origin.drain()
    node = await cluster.fleet.add("one", hide_builtin=True)
    await cluster.nodes(2)
    async with asyncio.timeout(20):
        while not cluster.library.has(parse_name("mine")):
            await asyncio.sleep(0.05)
    ask, silent = Peers.state, [True] * 4

    async def busy(self: Peers, url: URL, *arguments: Any, **named: Any) -> State:
        if silent:
            silent.pop()
            self._silent[url] = math.inf
            raise TransientError("it does not answer")
        return await ask(self, url, *arguments, **named)

    monkeypatch.setattr(Peers, "state", busy)
    _, end = await cluster.answer(cluster.request("x", cluster.library.get("mine")))
    assert end.generated_tokens
    assert node._library.has(parse_name("mine"))
    assert not silent


async def test_what_is_in_memory_is_listed_whether_its_files_are_still_known_or_not(cluster: Cluster) -> None:
    await asyncio.to_thread(_make, cluster.library, parse_name("mine"))
    model = cluster.library.get("mine")
    await cluster.fleet.add("one", models=cluster.fleet.settings.models)
    await cluster.answer(cluster.request())
    await cluster.answer(cluster.request("x", model))
    shutil.rmtree(cluster.fleet.settings.models / "manifests")
    assert {str(state.model.name) for state in await cluster.service.models()} == {"mine:latest", "cria:latest"}
    cluster.service._dispatch.asked.clear()  # as an ingress that has just begun
    assert {str(state.model.name) for state in await cluster.service.models()} == {"cria:latest"}


async def test_a_model_on_two_nodes_takes_what_it_takes_of_both(cluster: Cluster) -> None:
    nodes = [await cluster.fleet.add(name) for name in ("one", "two")]
    while len(cluster.service.nodes()) < 2:
        await asyncio.sleep(0.05)
    here = []
    for node in nodes:
        await node._service.load(cluster.cria, RunnerOptions(), Caller(), None)
        here += await node._service.models()
    (state,) = await cluster.service.models()
    assert state.size == sum(one.size for one in here)
    assert state.memory.weights == sum(one.memory.weights for one in here) > here[0].memory.weights


async def test_a_store_is_open_to_members_of_the_cluster_alone(cluster: Cluster) -> None:
    node = await cluster.fleet.add("one")
    await asyncio.to_thread(_make, node._library, parse_name("mine"))
    address = URL((await cluster.fleet.ask("one", "beat", "test")).store)
    outside = address.with_user(None) / "v2" / "library" / "mine" / "manifests" / "latest"
    refused = await asyncio.to_thread(requests.get, str(outside), timeout=10)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    wrong = await asyncio.to_thread(requests.get, str(outside), timeout=10, auth=("node", "guessed"))
    assert wrong.status_code == 401
    let_in = await asyncio.to_thread(requests.get, str(outside), timeout=10, auth=(address.user, address.password))
    assert let_in.status_code == 200
    assert str(address.password) not in repr(await cluster.fleet.ask("one", "beat", "test"))


def _make(library: Library, name: Any, template: str = "{{ .Prompt }}!") -> None:
    recipe = Recipe(base=parse_name("cria"), template=template)
    create(library, name, recipe, lambda _: None, lambda: False)


async def test_a_model_that_is_deleted_goes_everywhere(cluster: Cluster) -> None:
    await asyncio.to_thread(_make, cluster.library, parse_name("mine"))
    model = cluster.library.get("mine")
    node = await cluster.fleet.add("one")
    origin = await cluster.fleet.add("origin", models=cluster.fleet.settings.models)
    await cluster.nodes(2)
    assert origin
    while not node._library.has(model.name):
        await asyncio.gather(*(cluster.answer(cluster.request("x", model), Caller(f"{at}")) for at in range(12)))
    await asyncio.to_thread(cluster.library.delete, model)
    async with asyncio.timeout(10):
        while node._library.has(model.name):
            await asyncio.sleep(0.05)
    assert not cluster.library.has(model.name)


async def test_a_node_that_was_away_hears_of_a_model_that_was_deleted(cluster: Cluster) -> None:
    await asyncio.to_thread(_make, cluster.library, parse_name("mine"))
    model = cluster.library.get("mine")
    origin = await cluster.fleet.add("origin", models=cluster.fleet.settings.models)
    node = await cluster.fleet.add("one")
    await node.copies.need(model.name, model.manifest, [origin._stock.address])
    await cluster.fleet.kill("one")
    await cluster.nodes(1)
    await asyncio.to_thread(cluster.library.delete, model)
    await asyncio.sleep(0.5)
    await cluster.service.close()
    later = ClusterService(cluster.fleet.settings, (), cluster.fleet)
    await later.begin(cluster.library)
    try:
        node = await cluster.fleet.add("one")
        assert node._library.has(model.name)
        async with asyncio.timeout(20):
            while node._library.has(model.name) or model.name.key in node.copies.names():
                await asyncio.sleep(0.05)
    finally:
        await later.close()


async def test_a_model_that_a_node_has_of_its_own_stays_in_its_memory(cluster: Cluster) -> None:
    node = await cluster.fleet.add("one")
    for library in (cluster.library, node._library):
        await asyncio.to_thread(_make, library, parse_name("mine"))
    await cluster.nodes(1)
    model = cluster.library.get("mine")
    await cluster.answer(cluster.request("x", model))
    await asyncio.to_thread(cluster.library.delete, model)
    await asyncio.sleep(1)
    assert [entry.model.digest for entry in node._lender.loaded()] == [model.digest]


async def test_a_model_that_is_back_is_deleted_nowhere(cluster: Cluster) -> None:
    deleted = cluster.service._deleted
    await asyncio.to_thread(_make, cluster.library, parse_name("mine"))
    model = cluster.library.get("mine")
    await asyncio.to_thread(deleted.add, model.digest)
    await asyncio.to_thread(deleted.add, "sha256:gone")
    async with asyncio.timeout(10):
        while model.digest in deleted.digests():
            await asyncio.sleep(0.05)
    assert deleted.digests() == ["sha256:gone"]


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


async def _listed(cluster: Cluster, name: str) -> None:
    async with asyncio.timeout(15):
        while not any(model.name == parse_name(name) for model in cluster.library.list().models):
            await asyncio.sleep(0.05)


async def test_a_node_that_cannot_tell_of_its_models_keeps_nobody_from_those_of_others(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = await cluster.fleet.add("broken")
    hung = await cluster.fleet.add("hung")
    good = await cluster.fleet.add("good")

    async def fails(_digests: frozenset[str]) -> Any:
        raise PunaError("its disk cannot be read")  # as Ray has it of an error that is not ours

    async def hangs(_digests: frozenset[str]) -> Any:
        await asyncio.sleep(3600)

    monkeypatch.setattr(broken, "cards", fails)
    monkeypatch.setattr(hung, "cards", hangs)
    for node, name in ((broken, "one"), (hung, "two"), (good, "three")):
        await asyncio.to_thread(_make, node._library, parse_name(name), name)
    await _listed(cluster, "three")
    await asyncio.to_thread(_make, good._library, parse_name("four"), "four")
    await _listed(cluster, "four")


async def test_a_model_of_a_node_is_listed_when_it_is_deleted_here(cluster: Cluster) -> None:
    node = await cluster.fleet.add("one")
    for library in (cluster.library, node._library):
        await asyncio.to_thread(_make, library, parse_name("mine"))
    digest = cluster.library.get("mine").digest
    async with asyncio.timeout(10):
        while not any(digest in state.stored for state in cluster.service.nodes()):
            await asyncio.sleep(0.05)
    await asyncio.sleep(2.5)  # it has been looked for what is not here
    await asyncio.to_thread(cluster.library.delete, cluster.library.get("mine"))
    await _listed(cluster, "mine")
    assert (await cluster.answer(cluster.request("x", cluster.library.get("mine"))))[0]


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
