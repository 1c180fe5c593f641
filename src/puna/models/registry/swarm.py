"""Fetches one blob from several places side by side: peers that have it, peers that pull it too, and its registry.

Each piece has an owner among the nodes that pull (``ownership``): it takes the piece from a node that has the whole, or
from the registry, and the others take it from the owner, or from whoever has it by then. A piece is believed if its
bytes hash to what the peer says that it has; the whole, if it hashes to its digest. Who said otherwise is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from puna.models.registry.arriving import arriving
from puna.models.registry.choice import Choice
from puna.models.registry.download import BlobSource
from puna.models.registry.errors import RegistryError, TransientError, UnverifiableBlobError
from puna.models.registry.neighbourhood import Neighbourhood, Tell
from puna.models.registry.news import News
from puna.models.registry.options import TransferOptions
from puna.models.registry.partial import PartialBlob
from puna.models.registry.peers import Source
from puna.models.registry.pieces import piece_size
from puna.models.registry.policy import host_of
from puna.models.registry.record import Part
from puna.models.registry.sharing import Share
from puna.models.registry.threads import together
from puna.telemetry.counts import COUNTS

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger(__name__)
_JOIN_SECONDS = 4.0
_NEWS_SECONDS = 3.0
"""How long a peer may wait for news before it answers."""
_IDLE_SECONDS, _RETRY_SECONDS, _TICK = 2.0, 3.0, 0.25
_SLOW_FACTOR, _SLOW_LEAST, _SLOW_PAUSE = 6.0, 5.0, 60.0


class SwarmDownload:
    """Fills a partial blob, which others see, as far as it is there, in ``share``."""

    def __init__(
        self,
        source: BlobSource,
        partial: PartialBlob,
        options: TransferOptions,
        slots: asyncio.Semaphore,
        tell: Tell,
        neighbourhood: Neighbourhood,
        share: Share,
    ) -> None:
        self._origin = source
        self._partial = partial
        self._options = options
        self._slots = slots
        self._tell = tell
        self._peers = neighbourhood.peers
        self._share = share
        sharing, peers = neighbourhood.sharing, neighbourhood.peers
        self._sources = [Source(url) for url in peers.all() if peers.answers(url)]
        me = sharing.node if sharing.shares(source.name) else ""
        self._choice = Choice(source.digest, share, self._sources, source.has_registry, me)
        self._truth: dict[int, str] = {}
        """The hashes of pieces that the registry gave."""
        self._given: dict[str, int] = {}
        self._underway = 0
        self._seconds: list[float] = []
        self._advanced = asyncio.Event()
        self._news = News()
        self._failures = 0
        self._moved_at = time.monotonic()

    async def run(self) -> None:
        """Fetch what is missing until the whole has the right digest.

        Raises what ``BlobDownload.run`` raises, and ``RangesUnsupportedError``.
        """
        await self._partial.replan(piece_size(self._origin.size))
        async with self._partial.saved(self._options.checkpoint_interval), self._watched():
            await self._resume()
            await self._join()
            if not await self._fetch_all() and not await self._settle():
                raise UnverifiableBlobError(self._origin.digest, "something else")
            self._name_liars()

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Follow what peers have as long as the context lasts."""
        watchers = [asyncio.ensure_future(self._watch(source)) for source in self._sources]
        try:
            yield
        finally:
            for watcher in watchers:
                watcher.cancel()
            if watchers:
                await asyncio.wait(watchers)

    @property
    def _parts(self) -> list[Part]:
        return self._partial.record.parts

    async def _resume(self) -> None:
        """Show others what an earlier run left, as far as it is still as it came."""
        for index, part in enumerate(self._parts):
            if part.completed == part.size:
                digest, crc = await self._partial.sums(part)
                if crc == part.crc:
                    self._share.pieces.add(index, digest)
                    continue
            part.restart()
        self._report()

    async def _join(self) -> None:
        """Wait until all peers have heard of this node, for a while: it may claim nothing before that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_JOIN_SECONDS):
                while any(source.is_seed is None and source.is_live for source in self._sources):
                    await self._news.wait(_TICK)

    def _report(self) -> None:
        self._share.received = self._partial.record.completed + self._underway
        self._tell(self._share.received, self._given)

    async def _fetch_all(self) -> bool:
        """Fetch all that is missing, and return whether the whole is right."""
        found: list[str] = []

        async def hash_whole() -> None:
            found.append(await self._partial.digest(self._advanced))

        await together(hash_whole(), *(self._work() for _ in range(self._options.connections)))
        return found == [self._origin.digest]

    async def _work(self) -> None:
        taking = self._choice.taking
        while self._missing():
            async with self._slots:
                chosen = self._choice.next(self._missing())
                if chosen is not None:
                    index, source = chosen
                    taking.add(index)
                    try:
                        await self._take(index, source)
                    finally:
                        taking.discard(index)
                        self._share.claims.discard(index)
                        self._news.tell()
                    continue
            self._give_up_without_hope()
            await self._news.wait(_TICK)

    def _missing(self) -> list[int]:
        return [index for index, part in enumerate(self._parts) if part.completed < part.size]

    def _give_up_without_hope(self) -> None:
        """Raise ``TransientError`` where no registry is left, and no peer gets on any more."""
        if self._origin.has_registry or self._choice.taking:
            return
        moved = max([self._moved_at, *(source.advanced_at for source in self._choice.live())])
        if not any(self._choice.live()) or time.monotonic() - moved > self._options.stall_timeout:
            raise TransientError(f"no peer that can be reached has all of {self._origin.digest}")

    async def _take(self, index: int, source: Source | None) -> None:
        began = time.monotonic()
        if source is None or source.is_seed:
            self._share.claim(index)
        if source is None:
            await self._take_from_registry(index)
        else:
            await self._take_from_peer(index, source)
        self._seconds.append(time.monotonic() - began)

    async def _take_from_registry(self, index: int) -> None:
        part = self._parts[index]
        try:
            digest, crc = await self._receive(part, self._origin.range(part.offset, part.end))
        except TransientError as error:
            _log.info("piece %d of %s: %s", index, self._origin.digest, error)
            self._failures += 1
            if self._failures >= self._options.attempts:
                raise
            await asyncio.sleep(max(self._options.delay(self._failures), error.retry_after or 0))
            return
        self._failures = 0
        self._truth[index] = digest
        self._arrived(index, host_of(self._origin.target.base), digest, crc)
        for source in self._sources:
            self._check(source, index, source.hashes.get(index, digest))

    async def _take_from_peer(self, index: int, source: Source) -> None:
        part, expected = self._parts[index], source.hashes[index]
        source.busy += 1
        try:
            async with asyncio.timeout(self._patience()):
                stream = self._peers.range(source.url, self._origin.digest, part.offset, part.end)
                digest, crc = await self._receive(part, stream)
        except TimeoutError:
            _log.info("peer %s is slow: %s comes from elsewhere", source.host, self._origin.digest)
            source.slow_until = time.monotonic() + _SLOW_PAUSE
            return
        except RegistryError as error:
            _log.info("peer %s: %s", source.host, error)
            source.is_silent = True  # until it answers again
            return
        finally:
            source.busy -= 1
        if digest != expected:
            self._drop(source, f"piece {index} of {self._origin.digest} is not what it says")
            return
        source.given += part.size
        self._arrived(index, source.host, digest, crc)

    async def _receive(self, part: Part, opening: AbstractAsyncContextManager[aiohttp.StreamReader]) -> tuple[str, int]:
        """Write a piece and return its SHA-256 and checksum; it does not count as there yet."""
        position = part.offset
        try:
            async with opening as stream:
                async for data in arriving(stream, position, part.end):
                    await self._partial.write(position, data)
                    position += len(data)
                    self._underway += len(data)
                    self._moved_at = time.monotonic()
                    COUNTS.add("puna_transfer_bytes", ("in",), len(data))
                    self._report()
            if position < part.end:
                raise TransientError("a connection was closed early")
            return await self._partial.sums(part)
        finally:
            self._underway -= position - part.offset

    def _arrived(self, index: int, host: str, digest: str, crc: int) -> None:
        part = self._parts[index]
        part.crc, part.completed = crc, part.size
        self._given[host] = self._given.get(host, 0) + part.size
        self._share.claims.discard(index)
        self._share.pieces.add(index, digest)
        self._advanced.set()
        self._report()

    def _patience(self) -> float | None:
        """Return how many seconds a piece may take from a peer; none where there is nobody else."""
        if not self._origin.has_registry and sum(1 for _ in self._choice.live()) < 2:
            return None
        typical = statistics.median(self._seconds) if self._seconds else 0.0
        return max(_SLOW_LEAST, _SLOW_FACTOR * typical)

    async def _watch(self, source: Source) -> None:
        """Follow what a peer has, as long as this runs."""
        while not source.is_dropped:
            knows_all = len(source.hashes) == len(self._parts)
            is_asked_again = source.is_seed is not None and source.kind != "none" and not knows_all
            try:
                state = await self._peers.state(
                    source.url,
                    self._origin.digest,
                    self._origin.size,
                    node=self._choice.me,
                    epoch=source.epoch,
                    known=len(source.hashes),
                    wait=_NEWS_SECONDS if is_asked_again else 0.0,
                )
            except RegistryError as error:
                _log.info("peer %s: %s", source.host, error)
                source.is_silent = True
                self._news.tell()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            source.take(state)
            for index, digest in state.pieces:
                self._check(source, index, digest)
            self._news.tell()
            if state.kind == "none" or len(source.hashes) == len(self._parts):
                await self._until_joined(source)

    async def _until_joined(self, source: Source) -> None:
        """Return when a peer that pulled nothing before has joined, else after a while."""
        until = time.monotonic() + _IDLE_SECONDS
        joined = self._share.joined(source.node)
        while time.monotonic() < until and self._share.joined(source.node) == joined:
            await self._share.wait(_IDLE_SECONDS)

    def _check(self, source: Source, index: int, said: str) -> None:
        """Drop a peer that says of a piece what the registry has shown to be wrong."""
        if source.is_live and self._truth.get(index, said) != said:
            self._drop(source, f"of piece {index} of {self._origin.digest} it has other bytes than the registry")

    def _drop(self, source: Source, reason: str) -> None:
        source.is_dropped = True
        self._peers.distrust(source.url, reason)

    async def _settle(self) -> bool:
        """Fetch again what made the whole wrong, and return whether it is right then.

        With a registry, all that it has not given; else what peers do not agree on, as one group after another says.
        """
        mine = self._share.pieces.hashes()
        if self._origin.has_registry:
            self._choice.believed = ()
            return await self._fetch_again(index for index in mine if index not in self._truth)
        for view, places in self._choice.views(mine):
            self._choice.believed = places
            here = self._share.pieces.hashes()
            if await self._fetch_again(index for index, digest in view.items() if here.get(index) != digest):
                return True
        self._partial.discard()
        return False

    async def _fetch_again(self, indices: Iterable[int]) -> bool:
        for index in list(indices):
            part = self._parts[index]
            self._partial.changed(part)
            part.restart()
            self._share.pieces.drop(index)
        return await self._fetch_all()

    def _name_liars(self) -> None:
        """Leave out, from now on, who said of a piece what was not so."""
        right = self._share.pieces.hashes()
        for source in self._sources:
            wrong = next((index for index, digest in source.hashes.items() if right[index] != digest), None)
            if wrong is not None and not source.is_dropped:
                self._drop(source, f"piece {wrong} of {self._origin.digest} is not what it says")
