"""Models of a cluster in one process: which node has them, how they come to others, and how they go."""

import asyncio
import math
import shutil
from dataclasses import replace
from typing import Any

import pytest
import requests
from tests.cluster.fleet import Cluster
from yarl import URL

from puna.cluster.service import ClusterService
from puna.errors import PunaError
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.models.registry import peers
from puna.models.registry.errors import TransientError
from puna.models.registry.peers import Peers, State
from puna.names import parse_name
from puna.scheduler.lease import Caller
from puna.scheduler.options import RunnerOptions

SMALL = 10_000
"""More than a configuration and a template are together, which a node may have taken before another one asks."""


def _make(library: Library, name: Any, template: str = "{{ .Prompt }}!") -> None:
    recipe = Recipe(base=parse_name("cria"), template=template)
    create(library, name, recipe, lambda _: None, lambda: False)


async def _listed(cluster: Cluster, name: str) -> None:
    async with asyncio.timeout(15):
        while not any(model.name == parse_name(name) for model in cluster.library.list().models):
            await asyncio.sleep(0.05)


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
