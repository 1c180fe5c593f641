"""A server with keys that several tests share."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.server import Server, World

from puna.accounts import changes
from puna.accounts.store import Store

MakeKey = Callable[..., str]


def bearer(text: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {text}"}


def key_of(world: World, name: str, **words: Any) -> str:
    """Make a key in a world, as ``puna key create`` does, and return its text."""
    with Store(world.home / ".puna" / "accounts.db") as store:
        return changes.create(store, name, words)[1]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server whose first keys were made while it ran."""
    world = World()
    server = Server(world)
    assert server.get("/api/tags").status_code == 200
    key_of(world, "root", scopes=["admin"])
    yield server
    server.stop()
    assert "Traceback" not in server.log()
    assert world.close() == []


@pytest.fixture
def make_key(guarded: Server, request: pytest.FixtureRequest) -> MakeKey:
    """A function that makes a key of the shared server, under a name of the test's own."""

    def make(name: str = "key", **words: Any) -> str:
        return key_of(guarded.world, f"{request.node.originalname}.{name}"[-64:].lstrip("._"), **words)

    return make
