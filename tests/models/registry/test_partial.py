"""The file of a blob on its way in: who has it, and who gets it next."""

import asyncio
import threading
from pathlib import Path

import pytest

from puna.models.registry import partial
from puna.models.registry.partial import PartialBlob
from puna.models.registry.record import BlobRecord, RecordStore

DIGEST, SIZE = "sha256:" + "a" * 64, 10


async def test_who_is_cancelled_while_the_file_is_opened_does_not_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock stayed with nobody, and every later pull of the blob waited for ever."""
    begun, go_on, open_locked = threading.Event(), threading.Event(), partial.try_open_locked

    def slow(path: Path) -> int | None:
        begun.set()
        go_on.wait()
        return open_locked(path)

    monkeypatch.setattr(partial, "try_open_locked", slow)
    records, planned = RecordStore(tmp_path / "records"), BlobRecord.planned(DIGEST, SIZE, SIZE)
    first = asyncio.create_task(PartialBlob.open(tmp_path / "blob", planned, records))
    await asyncio.to_thread(begun.wait)
    first.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with asyncio.timeout(10):
        blob = await PartialBlob.open(tmp_path / "blob", planned, records)
    blob.close()


async def test_what_was_written_for_who_is_cancelled_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a disk is full, all other parts are cancelled, of which a large piece may just have been written."""
    begun, go_on, write = threading.Event(), threading.Event(), partial.os.pwrite

    def slow(descriptor: int, data: bytes, offset: int) -> int:
        begun.set()
        go_on.wait()
        return write(descriptor, data, offset)

    monkeypatch.setattr(partial.os, "pwrite", slow)
    planned = BlobRecord.planned(DIGEST, SIZE, SIZE)
    blob = await PartialBlob.open(tmp_path / "blob", planned, RecordStore(tmp_path / "records"))
    (part,) = blob.record.parts
    appending = asyncio.create_task(blob.append(part, b"some"))
    await asyncio.to_thread(begun.wait)
    appending.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await appending
    assert part.completed == 4
    assert part.crc == blob.crc(part)
    blob.close()
