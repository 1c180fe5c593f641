"""Makes sure that blobs are in the store and right: what is there is checked, what is not is fetched."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from puna.models.manifests import Layer
from puna.models.registry.blob_check import BlobCheck, OnBytes, check_blob
from puna.models.registry.download import BlobDownload, BlobSource
from puna.models.registry.errors import RangesUnsupportedError, RegistryError, UnverifiableBlobError
from puna.models.registry.jobs import Jobs
from puna.models.registry.neighbourhood import Neighbourhood, Tell
from puna.models.registry.options import TransferOptions
from puna.models.registry.partial import PartialBlob, try_open_locked
from puna.models.registry.progress import Progress, Report, short
from puna.models.registry.record import BlobRecord, RecordStore
from puna.models.registry.threads import in_thread
from puna.models.storage import storage_errors
from puna.models.store import BlobStore, is_digest, parse_digest

_REPORT_STEP = 4 << 20


class BlobKeeper:
    """The blobs of a store together with their records, partial files and quarantine."""

    def __init__(
        self, root: Path, blobs: BlobStore, options: TransferOptions, neighbourhood: Neighbourhood | None = None
    ) -> None:
        self._neighbourhood = neighbourhood
        self.blobs = blobs
        self.records = RecordStore(root)
        self.partials = root / "puna" / "partial"
        self.quarantine_directory = root / "quarantine"
        self._options = options
        self._slots = asyncio.Semaphore(options.connections)
        self._jobs: Jobs[None] = Jobs()

    def is_trusted(self, layer: Layer) -> bool:
        """Return whether the blob is there, and was checked since the file last changed."""
        path = self.blobs.path_for_write(layer.digest)
        if not path.is_file():
            return self.blobs.has(layer.digest)  # a copy that is part of the package
        return path.stat().st_size == layer.size and self.records.is_verified(layer.digest, path)

    def is_busy(self, digest: str) -> bool:
        """Return whether this process fetches the blob now."""
        return digest in self._jobs

    def missing_bytes(self, layer: Layer) -> int:
        """Return how many bytes a pull would fetch, taking a file of the right size as good."""
        if self.blobs.has(layer.digest) and self.blobs.path(layer.digest).stat().st_size == layer.size:
            return 0
        record = self.records.load(layer.digest)
        partial = self.partial_path(layer.digest)
        return layer.size - (record.completed if record and partial.is_file() and record.size == layer.size else 0)

    async def ensure(self, source: BlobSource, report: Report) -> None:
        """Have the blob in the store, with the right bytes; calls for one blob share the work.

        A file that is there is read once unless its record says that it was; one that is damaged is put aside, and
        what of it is good is used. Raises what ``BlobDownload.run`` raises.
        """
        while True:
            shared = source.digest in self._jobs
            try:
                return await self._jobs.run(source.digest, lambda report: self._ensure(source, report), report)
            except RegistryError:
                if not shared:
                    raise
                # The source of another pull failed, which this one had joined. Its own may do better.

    async def store_bytes(self, data: bytes) -> str:
        """Put a small blob into the store and return its digest."""
        return await in_thread(self.blobs.add, data)

    async def close(self) -> None:
        """End every download that is under way."""
        await self._jobs.close()

    async def check(
        self, digest: str, on_bytes: OnBytes = lambda _: None, executor: Executor | None = None
    ) -> BlobCheck:
        """Read a blob of the store's directory and say whether it is right."""
        path = self.blobs.path_for_write(digest)
        part_size = self._options.part_size_for(path.stat().st_size)
        return await check_blob(path, digest, self.records, part_size, on_bytes, executor)

    def partial_digests(self) -> list[str]:
        """Return the digests of the blobs of which a part was fetched."""
        names = [path.name for path in self.partials.iterdir()] if self.partials.is_dir() else []
        return [parse_digest(name) for name in names if is_digest(name)]

    def partial_size(self, digest: str) -> int:
        """Return the bytes that are there of a blob on its way."""
        record = self.records.load(digest)
        return record.completed if record else 0

    def discard_partial(self, digest: str) -> bool:
        """Remove what is there of a blob on its way; return ``False`` if a process works on it."""
        path = self.partial_path(digest)
        with storage_errors(path):
            descriptor = try_open_locked(path)
            if descriptor is None:
                return False
            try:
                path.unlink(missing_ok=True)
                self.records.remove(digest)
            finally:
                os.close(descriptor)
        return True

    def forget_gone(self) -> None:
        """Remove the records of blobs that are gone, as after a delete by another program; raise ``StorageError``."""
        for digest in self.records.digests():
            if digest not in self._jobs:
                self.records.remove_if_gone(digest)

    def quarantine(self, digest: str) -> Path:
        """Put a damaged blob aside and return where it is now."""
        destination = self.quarantine_path(digest)
        with storage_errors(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self.blobs.path_for_write(digest).replace(destination)
        return destination

    def partial_path(self, digest: str) -> Path:
        """Return where a blob lies while it is on its way."""
        return self.partials / self.blobs.path_for_write(digest).name

    def quarantine_path(self, digest: str) -> Path:
        """Return where a blob lies once it is put aside."""
        return self.quarantine_directory / self.blobs.path_for_write(digest).name

    async def _ensure(self, source: BlobSource, report: Report) -> None:
        layer = Layer("", source.digest, source.size)
        tell = _reporter(source, report)
        if await in_thread(self.is_trusted, layer) or await self._is_good(layer, tell):
            tell(source.size)
            return
        path = await in_thread(self._prepare_partial, source.digest)
        planned = BlobRecord.planned(source.digest, source.size, self._options.part_size_for(source.size))
        partial = await PartialBlob.open(path, planned, self.records)
        try:
            if await in_thread(self.is_trusted, layer):  # another process fetched it while this one waited for the file
                partial.path.unlink(missing_ok=True)
                return
            await self._fetch(source, partial, tell)
        finally:
            partial.close()
        self.quarantine_path(source.digest).unlink(missing_ok=True)
        tell(source.size)

    async def _fetch(self, source: BlobSource, partial: PartialBlob, tell: Tell) -> None:
        """Fill a partial blob, together with other nodes where there are some, and put it in its place."""
        place = self.blobs.path_for_write(source.digest)
        near = self._neighbourhood
        if near is not None and source.peers is not None:
            near = replace(near, peers=source.peers)
        if near is None or near.is_empty or not source.size:
            await BlobDownload(source, partial, self._options, self._slots, tell).run()
            await partial.publish(place)
            return
        from puna.models.registry.swarm import SwarmDownload  # most servers have no peers

        with near.sharing.begin(source.digest, source.size, source.name) as share:
            try:
                await SwarmDownload(source, partial, self._options, self._slots, tell, near, share).run()
            except (UnverifiableBlobError, RangesUnsupportedError):
                if not source.has_registry:
                    raise
                share.pieces.clear()
                await BlobDownload(source, partial, self._options, self._slots, tell).run()
            await partial.publish(place)
            near.sharing.complete(share)

    async def _is_good(self, layer: Layer, tell: Tell) -> bool:
        """Return whether a file that nobody checked yet is right; put it aside if it is not."""
        path = self.blobs.path_for_write(layer.digest)
        if not path.is_file():
            return False
        if path.stat().st_size == layer.size:
            loop = asyncio.get_running_loop()
            found = await self.check(layer.digest, lambda done: _tell_later(loop, tell, done))
            if found.ok:
                return True
        await in_thread(self.quarantine, layer.digest)
        return False

    def _prepare_partial(self, digest: str) -> Path:
        """Return the place of the partial file; a damaged blob is put there if a record tells its good parts."""
        path, aside = self.partial_path(digest), self.quarantine_path(digest)
        record = self.records.load(digest)
        if aside.is_file() and not path.exists() and record is not None and record.verified is not None:
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                aside.replace(path)
        return path


def _tell_later(loop: asyncio.AbstractEventLoop, tell: Tell, done: int) -> None:
    if done % _REPORT_STEP == 0:
        loop.call_soon_threadsafe(tell, done)


def _reporter(source: BlobSource, report: Report) -> Tell:
    status = f"pulling {short(source.digest)}"
    latest: dict[str, int] = {}

    def tell(done: int, sources: Mapping[str, int] | None = None) -> None:
        latest.update(sources or {})
        report(Progress(status, source.digest, source.size, done, dict(latest)))

    return tell
