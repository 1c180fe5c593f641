"""A blob on its way in: a file of its full length whose parts fill up, and the hash that follows them.

The files lie under ``puna/partial`` in the models directory, where Ollama, which deletes what it does not know from
``blobs``, leaves them alone.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from puna.models.registry.pieces import hash_range
from puna.models.registry.record import BlobRecord, Part, RecordStore, Verified, crc_of
from puna.models.registry.threads import in_thread, settled, taken_in_thread
from puna.models.storage import FULL, StorageError, storage_errors

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 4 << 20
_LOCK_POLL = 0.2
_RESUMES = ": free some and pull again; it will resume"


class PartialBlob:
    """The file of one blob while it is fetched. Only one holder at a time, over all processes."""

    def __init__(self, path: Path, record: BlobRecord, records: RecordStore, descriptor: int) -> None:
        self.path = path
        self.record = record
        self._records = records
        self._descriptor = descriptor
        self._states: dict[int, _Hash] = {0: hashlib.sha256()}

    @classmethod
    async def open(cls, path: Path, planned: BlobRecord, records: RecordStore) -> "PartialBlob":
        """Open or create the file; wait while another process holds it.

        What a former process left is gone on from. Whether it is still right is seen when all is there, so that
        resuming does not begin with reading. Raises ``StorageError``.
        """
        with storage_errors(path, _RESUMES):
            descriptor = await _open_locked(path)
        partial = cls(path, planned, records, descriptor)
        try:
            await in_thread(partial._recover)
        except BaseException:
            partial.close()
            raise
        return partial

    def _recover(self) -> None:
        with storage_errors(self.path, _RESUMES):
            stat = os.fstat(self._descriptor)
            known = self._records.load(self.record.digest)
            if known is not None and known.parts and known.size == self.record.size and stat.st_size:
                self.record = known
            self.record.verified = None
            missing = self.record.size - self.record.completed
            free = shutil.disk_usage(self.path.parent).free
            if missing > free:
                raise StorageError(
                    f"not enough space in {self.path.parent}: {missing} bytes are to be fetched, {free} are free",
                    FULL,
                )
            os.ftruncate(self._descriptor, self.record.size)

    async def replan(self, part_size: int) -> None:
        """Have parts of this size from now on, and keep those that lie in what has arrived already."""
        planned = BlobRecord.planned(self.record.digest, self.record.size, part_size)
        layout = [(part.offset, part.size) for part in planned.parts]
        if layout != [(part.offset, part.size) for part in self.record.parts]:
            await in_thread(self._take_over, planned)
            self.record = planned
            self._states = {0: hashlib.sha256()}

    def _take_over(self, planned: BlobRecord) -> None:
        arrived = self.record.arrived()
        for part in planned.parts:
            if any(start <= part.offset and part.end <= stop for start, stop in arrived):
                part.completed = part.size
                part.crc = crc_of(self._descriptor, part.offset, part.size)

    def plan(self, part_size: int) -> None:
        """Begin again with other parts."""
        self.record = BlobRecord.planned(self.record.digest, self.record.size, part_size)
        self._states = {0: hashlib.sha256()}

    async def append(self, part: Part, data: bytes) -> None:
        """Write the next bytes of a part; they count also if this is cancelled. Not for two tasks on one part."""

        def count(writing: "asyncio.Future[int]") -> None:
            if not writing.cancelled() and writing.exception() is None:
                # Changed together and on the event loop, so that a checkpoint never sees the one without the other.
                part.crc, part.completed = writing.result(), part.completed + len(data)

        writing = asyncio.ensure_future(asyncio.to_thread(self._write, part.position, data, part.crc))
        writing.add_done_callback(count)
        await settled(writing)

    def _write(self, offset: int, data: bytes, crc: int) -> int:
        view = memoryview(data)
        with storage_errors(self.path, _RESUMES):
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        return zlib.crc32(data, crc)

    async def write(self, offset: int, data: bytes) -> None:
        """Write bytes of a part that counts as there only once all of it is."""
        await in_thread(self._write, offset, data, 0)

    async def sums(self, part: Part) -> tuple[str, int]:
        """Return the SHA-256, in hex, and the checksum of what the file holds of the whole part now."""
        return await in_thread(self._sums, part)

    def _sums(self, part: Part) -> tuple[str, int]:
        with storage_errors(self.path):
            crc = crc_of(self._descriptor, part.offset, part.size)
            return hash_range(self._descriptor, part.offset, part.end), crc

    def crc(self, part: Part) -> int:
        """Return the checksum of what the file holds of the part now."""
        return crc_of(self._descriptor, part.offset, part.completed)

    @property
    def frontier(self) -> int:
        """Return up to where the file is complete from its beginning."""
        for part in self.record.parts:
            if part.completed < part.size:
                return part.position
        return self.record.size

    def changed(self, part: Part) -> None:
        """Forget the hashes that include bytes of this part, whose content is about to change."""
        self._states = {offset: state for offset, state in self._states.items() if offset <= part.offset}

    async def digest(self, advanced: asyncio.Event) -> str:
        """Return the digest of the whole file, hashing behind the parts as they fill up; ``advanced`` tells of more."""
        position = max(self._states)
        state = self._states[position].copy()
        for part in self.record.parts:
            while part.offset <= position < part.end:
                advanced.clear()
                wanted = min(_BLOCK, part.end - position)
                if self.frontier - position < wanted:
                    await advanced.wait()
                    continue
                position += await in_thread(self._hash, state, position, wanted)
            self._states.setdefault(position, state.copy())
        return f"sha256:{state.hexdigest()}"

    def _hash(self, state: "_Hash", offset: int, size: int) -> int:
        block = os.pread(self._descriptor, size, offset)
        if not block:
            raise StorageError(f"{self.path} became shorter while it was read")
        state.update(block)
        return len(block)

    async def checkpoint(self) -> None:
        """Write the record that a restart resumes from."""
        with storage_errors(self.path, _RESUMES):
            await in_thread(self._records.write, self.record.digest, self.record.encode())

    @contextlib.asynccontextmanager
    async def saved(self, interval: float) -> AsyncIterator[None]:
        """Write the record every ``interval`` seconds as long as the context lasts, and at its end."""
        saver = asyncio.ensure_future(self._save_regularly(interval))
        try:
            yield
        finally:
            saver.cancel()
            await asyncio.wait([saver])
            await self.checkpoint()

    async def _save_regularly(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self.checkpoint()

    async def publish(self, destination: Path) -> None:
        """Put the verified file in its place in the store."""
        with storage_errors(destination, _RESUMES):
            await in_thread(self._publish, destination)

    def _publish(self, destination: Path) -> None:
        os.fsync(self._descriptor)
        os.fchmod(self._descriptor, 0o644)
        destination.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(destination)
        self.record.verified = Verified.of(destination)
        self._records.save(self.record)

    def discard(self) -> None:
        """Remove the file and its record."""
        self.path.unlink(missing_ok=True)
        self._records.remove(self.record.digest)

    def close(self) -> None:
        """Close the file and let others have it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


async def _open_locked(path: Path) -> int:
    # Another process holds the lock, so there is no event to wait for.
    while (descriptor := await taken_in_thread(lambda: try_open_locked(path), _close)) is None:  # noqa: ASYNC110
        await asyncio.sleep(_LOCK_POLL)
    return descriptor


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def try_open_locked(path: Path) -> int | None:
    """Return a descriptor of the file, made if it is missing, that holds its lock; ``None`` if another one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it may have moved the file to its place in the store: then the name means another file, or none.
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    os.close(descriptor)
    return None
