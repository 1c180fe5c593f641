"""Clusters that tests have: real nodes in one process, and nodes of Ray."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cluster.fleet import Cluster, LocalFleet
from tests.cluster.lab import MACHINES, Lab

from puna.cluster.service import ClusterService
from puna.models.library import Library
from puna.settings import Settings


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A first machine and others that have joined it, by Ray."""
    with Lab() as made:
        made.add(MACHINES)
        yield made


@pytest.fixture
async def cluster(tmp_path: Path, socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """An ingress without nodes."""
    monkeypatch.setattr("tempfile.tempdir", str(socket_path))
    settings = replace(Settings.from_env({}), home=tmp_path / "home", models=tmp_path / "models", sessions=0)
    fleet, loop = LocalFleet(tmp_path, settings), asyncio.get_running_loop()
    service = ClusterService(settings, (), fleet)
    made = Cluster(
        fleet,
        service,
        Library(
            settings.models,
            elsewhere=service.elsewhere,
            on_gone=lambda digest: loop.call_soon_threadsafe(service.forget, digest),
        ),
    )
    await service.begin(made.library)
    yield made
    await service.close()
    for node in fleet.nodes.values():
        await node.close()
