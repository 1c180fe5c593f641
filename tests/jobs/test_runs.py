"""Responses in the background by themselves."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from puna.cipher import Cipher
from puna.jobs.archive import Archive, Bounds
from puna.jobs.runs import Events, Runs


class Making:
    """A response of a few events, the last of which waits to be told."""

    def __init__(self) -> None:
        self.response: dict[str, Any] = {"id": "resp_1", "status": "queued", "output": []}
        self.go_on = asyncio.Event()

    async def make(self) -> AsyncGenerator[Events, None]:
        """Yield six events, then one more."""
        yield [{"type": "some", "sequence_number": number} for number in range(6)]
        await self.go_on.wait()
        self.response["status"] = "completed"
        yield [{"type": "last", "sequence_number": 6}]

    def cancel(self) -> Events:
        """Tell nothing."""
        return []

    end_with_server = cancel


async def followed(runs: Runs, after: int, making: Making | None = None) -> list[int]:
    numbers = []
    async for events in runs.follow("", "resp_1", after):
        numbers += [event["sequence_number"] for event in events]
        if making:
            making.go_on.set()
    return numbers


@pytest.mark.parametrize(("after", "first"), [(-1, 0), (-3, 0), (2, 3), (6, 7), (1 << 70, 7)])
def test_it_is_followed_from_any_number_while_it_runs_and_later(tmp_path: Path, after: int, first: int) -> None:
    async def run() -> None:
        archive = Archive(tmp_path / "responses.db", Bounds(1 << 20, 60), Cipher(tmp_path / "key"))
        runs, making = Runs(archive), Making()
        await runs.start("", making, [])
        await asyncio.sleep(0)
        if first > 5:  # nothing that has been told yet
            making.go_on.set()
        running = await followed(runs, after, making)
        assert running == await followed(runs, after) == [*range(first, 7)]
        await runs.close()
        await archive.close()

    asyncio.run(run())
