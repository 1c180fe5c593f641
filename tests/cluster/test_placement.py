"""Where nodes with real engines get models: as many as are asked for, no longer than that, and in everybody's turn."""

import asyncio
from dataclasses import replace

import pytest
from tests.cluster.fleet import Cluster

from puna.scheduler.lease import Caller

_WAIT = 60


async def holders(cluster: Cluster, count: int) -> None:
    async with asyncio.timeout(_WAIT):
        while sum(bool(state.held) for state in cluster.service.nodes()) != count:
            await asyncio.sleep(0.05)


async def crowd(cluster: Cluster) -> None:
    """Ask for so much at a time that one node is not enough, and see that two have the model."""
    for name in ("one", "two"):
        await cluster.fleet.add(name, num_parallel=1)
    await cluster.nodes(2)
    await asyncio.gather(*(cluster.answer(cluster.request(f"{at}"), Caller(f"{at}")) for at in range(10)))
    await holders(cluster, 2)


async def test_a_model_that_many_want_comes_to_more_nodes_and_leaves_them_when_idle(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crowd(cluster)
    monkeypatch.setattr("puna.cluster.routing._RETIRE", 0.5)
    await holders(cluster, 1)
    await asyncio.sleep(1)
    await holders(cluster, 1)  # the last one keeps it


async def test_a_pinned_model_stays_where_it_is(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    sections = cluster.fleet.settings.sections
    sections.models[cluster.cria.name.key] = cluster.cria.name, replace(sections.of(cluster.cria.name), pinned=True)
    await crowd(cluster)
    monkeypatch.setattr("puna.cluster.routing._RETIRE", 0.5)
    await asyncio.sleep(2)
    await holders(cluster, 2)


async def test_who_asks_for_little_does_not_wait_for_who_asks_for_much_on_any_node(cluster: Cluster) -> None:
    for name in ("one", "two"):
        await cluster.fleet.add(name, num_parallel=1)
    await cluster.nodes(2)
    ended: list[str] = []

    async def ask(client: str) -> None:
        await cluster.answer(cluster.request(num_predict=32), Caller(client))
        ended.append(client)

    much = [asyncio.create_task(ask("much")) for _ in range(20)]
    async with asyncio.timeout(_WAIT):
        while len(ended) < 2:
            await asyncio.sleep(0.01)
    await ask("little")
    before = ended.index("little")
    await asyncio.gather(*much)
    assert before < 12, "it waited for most of what the other had asked for before"
