"""Reads a blob that is on disk and says whether it is what its name says, and if not, which parts are damaged."""

import hashlib
import os
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from puna.models.registry.record import BlobRecord, Part, RecordStore, Verified
from puna.models.registry.threads import in_stoppable_thread
from puna.models.storage import StorageError

_BLOCK = 4 << 20

OnBytes = Callable[[int], None]
"""Is told, in the checking thread, how many bytes have been read."""


@dataclass(frozen=True, slots=True)
class BlobCheck:
    """What reading a blob showed."""

    digest: str
    actual: str
    size: int
    expected_size: int | None = None
    damaged: tuple[tuple[int, int], ...] | None = None
    """Offset and size of each damaged range; ``None`` where no record narrows it down."""
    unsaved: str = ""
    """Why the outcome could not be written down; then the next pull reads the file again."""

    @property
    def ok(self) -> bool:
        """Return whether the bytes are those that the digest names."""
        return self.digest == self.actual


async def check_blob(
    path: Path,
    digest: str,
    records: RecordStore,
    part_size: int,
    on_bytes: OnBytes = lambda _: None,
    executor: Executor | None = None,
) -> BlobCheck:
    """Read the whole file at ``path`` in a thread. If it is right, its record is renewed; if not, the record is kept.

    Raises ``FileNotFoundError`` and other ``OSError`` when the file cannot be read.
    """
    return await in_stoppable_thread(executor, _check, path, digest, records, part_size, on_bytes)


def _check(
    stop: threading.Event, path: Path, digest: str, records: RecordStore, part_size: int, on_bytes: OnBytes
) -> BlobCheck:
    known = records.load(digest)
    before = Verified.of(path)
    planned = known.parts if known and known.parts else BlobRecord.planned(digest, before.size, part_size).parts
    parts = [replace(part, completed=0, crc=0) for part in planned]
    state = hashlib.sha256()
    with path.open("rb") as file:
        for part in parts:
            while part.completed < part.size and not stop.is_set():
                block = os.pread(file.fileno(), min(_BLOCK, part.size - part.completed), part.position)
                if not block:
                    break
                state.update(block)
                part.crc = zlib.crc32(block, part.crc)
                part.completed += len(block)
                on_bytes(part.position)
        beyond = os.pread(file.fileno(), 1, parts[-1].end if parts else 0)
    actual = f"sha256:{state.hexdigest()}" if not beyond else "a longer file"
    if actual == digest:
        unsaved = "" if stop.is_set() else _save(records, BlobRecord(digest, before.size, parts, before))
        return BlobCheck(digest, actual, before.size, unsaved=unsaved)
    if known is None or known.verified is None:
        return BlobCheck(digest, actual, before.size)
    # The parts still tell what is good of the file. No file has this time: the next pull reads it again.
    doubted = replace(known, verified=replace(known.verified, mtime_ns=-1))
    unsaved = "" if stop.is_set() else _save(records, doubted)
    return BlobCheck(digest, actual, before.size, known.size, _differing(known.parts, parts), unsaved)


def _save(records: RecordStore, record: BlobRecord) -> str:
    """Write a record and return "", or why that cannot be done: a store that may only be read can be checked too."""
    try:
        records.save(record)
    except StorageError as error:
        return str(error)
    return ""


def _differing(known: list[Part], found: list[Part]) -> tuple[tuple[int, int], ...]:
    pairs = zip(known, found, strict=True)
    return tuple((old.offset, old.size) for old, new in pairs if (old.completed, old.crc) != (new.completed, new.crc))
