"""Waiting for the next change."""

import asyncio

import pytest

from puna.models.registry.news import News
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


def test_nodes_that_were_not_heard_of_lately_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    share, now = Share("sha256:0", 1), 100.0
    monkeypatch.setattr("puna.models.registry.sharing.time.monotonic", lambda: now)
    for at in range(100):
        share.join(f"{at}")
        now += 1
    assert share.joined("99") == 199
    assert not share.joined("0")
    assert len(share._joined) < 20
