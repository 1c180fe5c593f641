"""Waiting for the next change."""

import asyncio

import pytest

from puna.models.registry.news import News


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
