"""How often the work on batches looks at the journal when nothing may be asked."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.batches.test_journal import started

import puna.jobs.batches
from puna.jobs.batches import Answered, Batches
from puna.jobs.batches_files import BatchBounds
from puna.jobs.batches_hours import Hours
from puna.jobs.batches_items import BatchItem, Usage
from puna.jobs.batches_journal import Journal


def test_a_key_that_was_over_its_limits_when_the_hours_ended_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puna.jobs.batches, "_HOLD", 0.1)
    asked: list[BatchItem] = []
    looks: list[None] = []

    class Looked(Journal):
        async def open_batches(self) -> list[dict[str, Any]]:
            looks.append(None)
            return await super().open_batches()

    class UntilAsked(Hours):
        def hold(self, minute: int) -> bool:
            return not asked

    async def ask(item: BatchItem, _line: bytes) -> Answered:
        asked.append(item)
        return Answered(429, "r", b"{}", Usage())

    async def run() -> None:
        journal = Looked(tmp_path, BatchBounds(1 << 20, 3600.0))
        await started(journal)
        work = Batches(journal, ask, 1, UntilAsked())
        work.start()
        await asyncio.sleep(1.5)
        await work.close()
        await journal.close()

    asyncio.run(run())
    assert len(asked) == 1
    assert len(looks) <= 4
