"""Fetches one blob: ranges side by side, each retried on its own, hashed while they come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yarl import URL

from puna.lazy import lazy
from puna.models.registry.api import RegistryApi
from puna.models.registry.arriving import arriving
from puna.models.registry.errors import RangesUnsupportedError, TransientError, UnverifiableBlobError
from puna.models.registry.options import TransferOptions
from puna.models.registry.partial import PartialBlob
from puna.models.registry.policy import host_of
from puna.models.registry.record import Part
from puna.models.registry.target import Target
from puna.models.registry.threads import in_thread, together
from puna.names import ModelName
from puna.telemetry.counts import COUNTS

if TYPE_CHECKING:
    import aiohttp

    from puna.models.registry.peers import Peers
else:
    aiohttp = lazy("aiohttp")

_MEND_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class BlobSource:
    """Where a blob's bytes come from."""

    api: RegistryApi
    target: Target
    digest: str
    size: int
    location: URL | None = None
    has_registry: bool = True
    """Whether the registry may be asked; if not, there are peers alone."""
    peers: Peers | None = None
    """Who is asked instead of the node's own peers."""

    @property
    def name(self) -> ModelName:
        """Return the model that the blob belongs to."""
        return self.target.name

    def range(self, start: int, stop: int) -> AbstractAsyncContextManager[aiohttp.StreamReader]:
        """Return a context manager for the stream of a range."""
        return self.api.blob_range(self.target, self.digest, self.location, start, stop, self.size)


class BlobDownload:
    """Fills a partial blob from a source. ``report`` is called with the bytes that have arrived."""

    def __init__(
        self,
        source: BlobSource,
        partial: PartialBlob,
        options: TransferOptions,
        slots: asyncio.Semaphore,
        report: Callable[[int], None],
    ) -> None:
        self._source = source
        self._partial = partial
        self._options = options
        self._slots = slots
        self._report = report
        self._advanced = asyncio.Event()
        self._troubled: set[int] = set()
        self._actual = ""
        self._replaced = 0

    async def run(self) -> None:
        """Fetch what is missing until the whole has the right digest.

        Raises ``TransientError`` when the network fails for too long (what arrived is kept and used by the next run),
        ``UnverifiableBlobError`` when the source does not have these bytes, ``StorageError`` or ``RegistryError``.
        """
        try:
            await self._fetch_and_hash()
        except RangesUnsupportedError:
            self._partial.plan(max(1, self._source.size))
            await self._fetch_and_hash()
        if not self._is_right():
            await self._mend()

    def _is_right(self) -> bool:
        return self._actual == self._source.digest

    async def _fetch_and_hash(self) -> None:
        self._report(self._partial.record.completed)
        async with self._partial.saved(self._options.checkpoint_interval):
            await together(self._hash(), *(self._fetch(part) for part in self._partial.record.parts))

    async def _hash(self) -> None:
        self._actual = await self._partial.digest(self._advanced)

    async def _fetch(self, part: Part) -> None:
        failures = 0
        while part.completed < part.size:
            before = part.completed
            try:
                async with self._slots:
                    await self._stream(part)
            except TransientError as error:
                self._troubled.add(part.offset)
                failures = 1 if part.completed > before else failures + 1
                if failures >= self._options.attempts:
                    raise
                await asyncio.sleep(max(self._options.delay(failures), error.retry_after or 0))

    async def _stream(self, part: Part) -> None:
        async with self._source.range(part.position, part.end) as stream:
            async for data in arriving(stream, part.position, part.end):
                await self._partial.append(part, data)
                COUNTS.add("puna_transfer_bytes", ("in",), len(data))
                self._advanced.set()
                self._report(self._partial.record.completed)
        if part.completed < part.size:
            raise TransientError(f"{host_of(self._source.target.base)} closed the connection early")

    async def _mend(self) -> None:
        """Find and replace the parts that make the digest wrong, one at a time.

        First those that changed on the disk: their checksums no longer fit what came. Then those that came wrong: a
        part is fetched again, and if it differs, that may have been it. Parts with interruptions come first.
        """
        parts = self._partial.record.parts
        damaged = [part for part in parts if await in_thread(self._partial.crc, part) != part.crc]
        for part in damaged:
            self._partial.changed(part)
            part.restart()
        await together(*(self._fetch(part) for part in damaged))
        if damaged and await self._rehash():
            return
        for _ in range(_MEND_ROUNDS):
            self._replaced = 0
            if await self._sweep(sorted(parts, key=lambda part: part.offset not in self._troubled)):
                return
            if not self._replaced:
                break  # the source sends the same wrong bytes every time
        self._partial.discard()
        raise UnverifiableBlobError(self._source.digest, self._actual)

    async def _sweep(self, parts: list[Part]) -> bool:
        for part in parts:
            # Of two versions that differ either may be the damaged one, so a third is fetched if the second is no help.
            for _ in range(2):
                if not await self._differs(part):
                    break
                if await self._rehash():
                    return True
        return False

    async def _differs(self, part: Part) -> bool:
        """Fetch a part again and return whether other bytes came."""
        before = part.crc
        part.restart()
        await self._fetch(part)
        if part.crc == before:
            return False
        self._partial.changed(part)
        self._replaced += 1
        return True

    async def _rehash(self) -> bool:
        await self._hash()
        return self._is_right()
