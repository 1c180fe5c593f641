"""The journal by itself: what is written once, what is too old, and what two servers with one home do."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.batches.batching import chat

import puna.jobs.batches_journal
from puna.errors import NotFoundError
from puna.jobs.batches_files import BatchBounds, Upload
from puna.jobs.batches_items import NewBatch, Usage, answer_line
from puna.jobs.batches_journal import Journal
from puna.jobs.batches_lines import read_lines

CHATS = "\n".join(f'{{"custom_id": "{number}"}}' for number in range(3)).encode()
Run = Callable[[Journal], Awaitable[Any]]


def with_journal(home: Path, work: Run, age: float = 3600.0) -> Any:
    async def run() -> Any:
        journal = Journal(home, BatchBounds(1 << 20, age))
        try:
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(run())


async def started(journal: Journal) -> str:
    given = await journal.files.add("", Upload("a", io.BytesIO(CHATS)))
    new = NewBatch(given=given["id"], endpoint=chat("x")["url"], window=60, window_text="1m", metadata=None)
    batch = await journal.add("", new)
    await journal.begin(batch["id"], read_lines(journal.files.path(given["id"])))
    return str(batch["id"])


def test_an_answer_is_written_once(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        name = await started(journal)
        first, *_ = await journal.waiting([], [], 9)
        line = answer_line(first.custom_id, 200, "r", b"{}")
        assert await journal.write(first, line, Usage(answer=1))
        assert not await journal.write(first, answer_line(first.custom_id, 200, "s", b"{}"), Usage(answer=1))
        assert not await journal.write(first, b"x\n", None)
        batch = await journal.get("", name)
        assert batch["request_counts"] == {"total": 3, "completed": 1, "failed": 0}
        assert batch["usage"]["output_tokens"] == 1
        parts = [part async for part in await journal.files.content("", batch["output_file_id"])]
        assert b"".join(parts) == line
        assert not await journal.finish(name)

    with_journal(tmp_path, work)


def test_a_batch_belongs_to_one_server_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_journal(tmp_path, started)

    async def waiting(journal: Journal) -> int:
        return len(await journal.waiting([], [], 9))

    monkeypatch.setattr(puna.jobs.batches_journal, "this_process", lambda: "1 0.5")
    assert with_journal(tmp_path, waiting) == 0  # this process lives
    monkeypatch.setattr(puna.jobs.batches_journal, "is_alive", lambda _: False)
    assert with_journal(tmp_path, waiting) == 3


def test_what_is_old_goes(tmp_path: Path) -> None:
    names: list[str] = []

    async def end(journal: Journal) -> None:
        for _ in range(2):
            names.append(await started(journal))
        await journal.stop(names[0], "cancelled", "batch_cancelled", "x")
        stray = journal.files.path("file-stray")
        stray.write_bytes(b"x")
        await journal.sweep()
        assert stray.exists()  # it may be an upload under way

    async def look(journal: Journal) -> None:
        await journal.sweep()
        assert [batch["id"] for batch in await journal.every("")] == names[1:]  # it is not over
        (left,) = await journal.files.every("", "")
        assert [path.name for path in tmp_path.joinpath("files").iterdir() if path.name != "file-stray"] == [left["id"]]
        with pytest.raises(NotFoundError):
            await journal.get("", names[0])

    with_journal(tmp_path, end, age=0.0)
    with_journal(tmp_path, look, age=0.0)
