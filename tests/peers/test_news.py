"""Waiting for the next change."""

import asyncio

import pytest

from puna.models.registry.errors import RegistryError
from puna.models.registry.news import News
from puna.models.registry.peers import _read_state
from puna.models.registry.pieces import piece_size
from puna.models.registry.sharing import Share


@pytest.mark.parametrize("ticks", range(6))
async def test_a_cancellation_that_comes_with_the_change_is_not_lost(ticks: int) -> None:
    news = News()

    async def follow() -> None:
        while True:
            await news.wait(60)

    following = asyncio.create_task(follow())
    for _ in range(3):
        await asyncio.sleep(0)  # it waits
    news.tell()
    for _ in range(ticks):
        await asyncio.sleep(0)
    following.cancel()
    await asyncio.wait([following], timeout=1)
    assert following.cancelled()


def test_a_peer_that_tells_endless_numbers_is_not_believed() -> None:
    told = b'{"state": "part", "node": "n", "epoch": "e", "size": 1, "piece": %d, "received": 1e999}' % piece_size(1)
    with pytest.raises(RegistryError, match="cannot be read"):
        _read_state(told.replace(b"}", b', "pieces": [], "claims": []}'), 1)


def test_nodes_that_were_not_heard_of_lately_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    share, now = Share("sha256:0", 1), 100.0
    monkeypatch.setattr("puna.models.registry.sharing.time.monotonic", lambda: now)
    for at in range(100):
        share.join(f"{at}")
        now += 1
    assert share.joined("99") == 199
    assert not share.joined("0")
    assert len(share._joined) < 20
