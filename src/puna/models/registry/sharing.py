"""What this node gives to others of its blobs: whole ones, and pieces of those that are still on their way."""

import asyncio
import contextlib
import fnmatch
import logging
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from puna.models.registry.news import News
from puna.models.registry.pieces import HashFiles, Pieces, bounds, hash_range, piece_count
from puna.models.registry.threads import in_stoppable_thread
from puna.names import ModelName

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_LATEST = ":latest"
_REMEMBERED = 256
"""Whole blobs whose hashes are kept in memory, and blobs that have just arrived."""
_JOINED_SECONDS = 15.0
"""How long another node counts as one that pulls after it was last heard of."""


class Share:
    """One blob as this node has it: ``pieces`` with their hashes, and what it is about to fetch (``claims``).

    ``wait`` returns when something has changed. ``received`` counts bytes, so that others see that it gets on.
    """

    def __init__(self, digest: str, size: int, name: ModelName | None = None) -> None:
        self.digest = digest
        self.name = name
        self._news = News()
        self.pieces = Pieces(size, self._news.tell)
        self.claims: set[int] = set()
        self.received = 0
        self._joined: dict[str, tuple[float, float]] = {}

    @property
    def size(self) -> int:
        """Return the bytes of the whole blob."""
        return self.pieces.size

    def join(self, node: str) -> None:
        """Note that another node pulls the same blob and shares it."""
        now = time.monotonic()
        first = self.joined(node) or now
        if first == now:
            self._joined = {known: at for known, at in self._joined.items() if now - at[1] < _JOINED_SECONDS}
            self._news.tell()
        self._joined[node] = (first, now)

    def joined(self, node: str) -> float:
        """Return the monotonic time at which a node joined that was heard of lately, else 0."""
        first, last = self._joined.get(node, (0.0, 0.0))
        return first if time.monotonic() - last < _JOINED_SECONDS else 0.0

    def claim(self, index: int) -> None:
        """Say that this node fetches a piece from where all of it is, so that nobody else does."""
        self.claims.add(index)
        self._news.tell()

    async def wait(self, seconds: float) -> None:
        """Return at the next change, or after ``seconds``."""
        await self._news.wait(seconds)


class Sharing:
    """What a node shares: models whose names fit the patterns. ``node`` is what tells it from others."""

    def __init__(self, root: Path, patterns: Sequence[str]) -> None:
        self.node = secrets.token_hex(8)
        self._pattern = re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in patterns) or r"(?!)")
        self.is_on = bool(patterns)
        self._files = HashFiles(root)
        self._pulling: dict[str, Share] = {}
        self._arrived: OrderedDict[str, ModelName] = OrderedDict()
        self._whole: OrderedDict[str, Share] = OrderedDict()
        self._hashing: dict[str, asyncio.Task[None]] = {}

    def shares(self, name: ModelName) -> bool:
        """Return whether others may have the model of this name."""
        text = str(name).lower()
        return any(self._pattern.fullmatch(form) for form in (text, text.removesuffix(_LATEST)))

    def pulling(self, digest: str) -> Share | None:
        """Return what there is of a blob that is on its way."""
        return self._pulling.get(digest)

    def arrived(self, digest: str) -> ModelName | None:
        """Return the model that a blob has come for whose name may not be there yet."""
        return self._arrived.get(digest)

    @contextlib.contextmanager
    def begin(self, digest: str, size: int, name: ModelName) -> Iterator[Share]:
        """Give a share for a blob that is on its way as long as the context lasts; others see it if they may."""
        share = Share(digest, size, name)
        if self.shares(name):
            self._pulling[digest] = share
        try:
            yield share
        finally:
            if self._pulling.get(digest) is share:
                del self._pulling[digest]

    def complete(self, share: Share) -> None:
        """Note that a blob is in the store; its hashes are kept."""
        if share.name is None or not self.shares(share.name):
            return
        _remember(self._arrived, share.digest, share.name)
        _remember(self._whole, share.digest, share)
        with contextlib.suppress(OSError):  # they can be made again
            self._files.write(share.digest, share.pieces.hashes().values())

    def whole(self, digest: str, path: Path) -> Share:
        """Return a share of a whole blob; its hashes are made in a thread where they are not known."""
        size = path.stat().st_size
        share = self._whole.get(digest)
        if share is None or share.size != size:
            share = Share(digest, size)
            for index, known in enumerate(self._files.read(digest, size)):
                share.pieces.add(index, known)
        _remember(self._whole, digest, share)
        if not share.pieces.is_whole and digest not in self._hashing:
            task = self._hashing[digest] = asyncio.create_task(self._hash(share, path))
            task.add_done_callback(lambda _: self._hashing.pop(digest, None))
        return share

    async def _hash(self, share: Share, path: Path) -> None:
        loop = asyncio.get_running_loop()
        try:
            await in_stoppable_thread(None, _hash_all, share, path, loop)
            self._files.write(share.digest, share.pieces.hashes().values())
        except OSError as error:
            _log.warning("the pieces of %s cannot be hashed: %s", share.digest, error)

    def clean(self, blobs: Path) -> None:
        """Forget the hashes of blobs that are gone."""
        with contextlib.suppress(OSError):
            self._files.clean(lambda name: (blobs / name).exists())

    async def close(self) -> None:
        """End what is under way."""
        for task in (tasks := list(self._hashing.values())):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _hash_all(stop: threading.Event, share: Share, path: Path, loop: asyncio.AbstractEventLoop) -> None:
    with path.open("rb") as file:
        for index in range(piece_count(share.size)):
            if stop.is_set():
                return
            if index not in share.pieces:
                digest = hash_range(file.fileno(), *bounds(share.size, index))
                done = threading.Event()
                loop.call_soon_threadsafe(_add, share, index, digest, done)
                done.wait(1)


def _add(share: Share, index: int, digest: str, done: threading.Event) -> None:
    share.pieces.add(index, digest)
    done.set()


def _remember(known: OrderedDict[str, _T], digest: str, value: _T) -> None:
    known[digest] = value
    known.move_to_end(digest)
    while len(known) > _REMEMBERED:
        known.popitem(last=False)
