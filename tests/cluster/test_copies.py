"""Models that a node takes from others: several at once, and while nodes come and go."""

import asyncio
import time

import pytest
from tests.cluster.fleet import Cluster
from tests.server import free_port

from puna.cluster.copies import Copies
from puna.cluster.node import Node
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.models.manifests import TEMPLATE, Manifest
from puna.models.model import Model
from puna.names import ModelName, parse_name


async def made(node: Node, name: str) -> Model:
    """Make a model with a template of its own on a node."""
    recipe = Recipe(base=parse_name("cria"), template=f"{name} {{{{ .Prompt }}}}")
    await asyncio.to_thread(create, node._library, parse_name(name), recipe, lambda _: None, lambda: False)
    return node._library.get(name)


def address(node: Node) -> str:
    """Return where a node gives its models to others."""
    return node._stock.address


async def test_two_models_come_at_once_each_from_a_node_of_its_own(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puna.cluster.copies._TRIES", 1)
    origins = [await cluster.fleet.add(name) for name in ("one", "two")]
    models = [await made(node, name) for node, name in zip(origins, ("first", "second"), strict=True)]
    taker = await cluster.fleet.add("taker", hide_builtin=True)
    taken = await asyncio.gather(
        *(
            taker.copies.need(model.name, model.manifest, [address(node)])
            for node, model in zip(origins, models, strict=True)
        )
    )
    assert [model.digest for model in taken] == [model.digest for model in models]


async def test_copies_that_come_at_once_are_all_remembered(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = await cluster.fleet.add("origin")
    models = [await made(origin, name) for name in ("first", "second", "third")]
    taker = await cluster.fleet.add("taker")
    read = Copies.names

    def slow(copies: Copies) -> set[str]:
        names = read(copies)
        time.sleep(0.2)
        return names

    monkeypatch.setattr(Copies, "names", slow)
    await asyncio.gather(*(taker.copies.need(model.name, model.manifest, [address(origin)]) for model in models))
    assert read(taker.copies) == {model.name.key for model in models}


async def test_who_waits_for_a_node_that_has_gone_is_helped_by_who_knows_another(cluster: Cluster) -> None:
    origin = await cluster.fleet.add("origin")
    model = await made(origin, "mine")
    taker = await cluster.fleet.add("taker")
    gone = f"http://node:key@127.0.0.1:{free_port()}"
    first = asyncio.create_task(taker.copies.need(model.name, model.manifest, [gone]))
    async with asyncio.timeout(20):
        while not taker.copies._fetching:
            await asyncio.sleep(0.01)
    second = await taker.copies.need(model.name, model.manifest, [address(origin)])
    assert [second.digest, (await first).digest] == [model.digest] * 2


async def test_a_copy_whose_blob_went_with_another_model_is_fetched_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = await cluster.fleet.add("origin")
    model = await made(origin, "mine")
    taker = await cluster.fleet.add("taker")
    put, left = Library.put, [layer.digest for layer in model.manifest.of_type(TEMPLATE)]

    def put_late(library: Library, name: ModelName, manifest: Manifest) -> None:
        if left:
            library.discard([left.pop()])
        put(library, name, manifest)

    monkeypatch.setattr(Library, "put", put_late)
    taken = await taker.copies.need(model.name, model.manifest, [address(origin)])
    assert (taken.template, left) == (model.template, [])


async def test_all_copies_of_a_model_that_is_no_more_go(cluster: Cluster) -> None:
    origin = await cluster.fleet.add("origin")
    model = await made(origin, "mine")
    taker = await cluster.fleet.add("taker")
    await taker.copies.need(model.name, model.manifest, [address(origin)])
    await asyncio.to_thread(taker.copies._keep, parse_name("other"), model.manifest)
    await asyncio.to_thread(taker.copies.drop, model.digest)
    assert not taker.copies.names()
    assert {str(found.name) for found in taker._library.list().models} == {"cria:latest"}
