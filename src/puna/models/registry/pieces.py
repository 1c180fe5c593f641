"""What several nodes exchange of a blob: pieces, each with a SHA-256, in the same places everywhere.

A blob has one digest, that of the whole. A piece's hash says what a node holds before the whole can be checked, and
afterwards whose bytes were wrong.
"""

import hashlib
import itertools
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from puna.models.atomic import AtomicFile
from puna.models.registry.options import MIB
from puna.models.store import parse_digest

SMALLEST, LARGEST = MIB, 32 * MIB
_MOST_PIECES = 1024
_WISHED_PIECES = 64
"""As many as keep a handful of nodes busy."""
_BLOCK = 1 << 20
_HASH_BYTES = 32


def piece_size(size: int) -> int:
    """Return how long the pieces of a blob of ``size`` bytes are: a power of two, or what makes at most 1024."""
    wished = SMALLEST
    while wished < LARGEST and wished * _WISHED_PIECES < size:
        wished *= 2
    return max(wished, -(-size // _MOST_PIECES))


def bounds(size: int, index: int) -> tuple[int, int]:
    """Return where piece ``index`` of a blob of ``size`` bytes begins and ends."""
    length = piece_size(size)
    return index * length, min(size, (index + 1) * length)


def piece_count(size: int) -> int:
    """Return how many pieces a blob of ``size`` bytes has."""
    return -(-size // piece_size(size))


def hash_range(descriptor: int, start: int, stop: int) -> str:
    """Return the SHA-256, in hex, of a range of an open file; raise ``OSError`` where the file is shorter."""
    state = hashlib.sha256()
    while start < stop:
        block = os.pread(descriptor, min(_BLOCK, stop - start), start)
        if not block:
            raise OSError(f"the file ends at byte {start}, not at {stop}")
        state.update(block)
        start += len(block)
    return state.hexdigest()


class Pieces:
    """The pieces of one blob that somebody has, in the order in which they came. ``epoch`` tells one order of another.

    ``on_change`` is called after each that is new.
    """

    def __init__(self, size: int, on_change: Callable[[], None] = lambda: None) -> None:
        self.size = size
        self.epoch = secrets.token_hex(4)
        self._hashes: dict[int, str] = {}
        self._on_change = on_change

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, index: int) -> bool:
        return index in self._hashes

    @property
    def is_whole(self) -> bool:
        """Return whether all are there."""
        return len(self._hashes) == piece_count(self.size)

    def add(self, index: int, digest: str) -> None:
        """Note that a piece is there, with its SHA-256 in hex."""
        self._hashes.setdefault(index, digest)
        self._on_change()

    def drop(self, index: int) -> None:
        """Note that a piece was wrong. Whoever counts on the order begins anew."""
        if self._hashes.pop(index, None):
            self.epoch = secrets.token_hex(4)
            self._on_change()

    def clear(self) -> None:
        """Note that nothing is there any more."""
        self._hashes.clear()
        self.epoch = secrets.token_hex(4)
        self._on_change()

    def hashes(self) -> dict[int, str]:
        """Return those that are there now, each with its hash, in the order of the blob."""
        return dict(sorted(self._hashes.items()))

    def since(self, count: int, most: int) -> list[tuple[int, str]]:
        """Return at most ``most`` pieces with their hashes, without the first ``count``."""
        return list(itertools.islice(self._hashes.items(), count, count + most))

    def covers(self, start: int, stop: int) -> bool:
        """Return whether all bytes from ``start`` to ``stop`` lie in pieces that are there."""
        length = piece_size(self.size)
        return start < stop <= self.size and all(
            index in self._hashes for index in range(start // length, -(-stop // length))
        )


class HashFiles:
    """Lists of hashes that were made before, one file a blob: ``puna/pieces/sha256-<hex>`` in the models directory."""

    def __init__(self, root: Path) -> None:
        self._directory = root / "puna" / "pieces"

    def read(self, digest: str, size: int) -> list[str]:
        """Return the hashes of a blob's pieces in order, none if they are not known."""
        try:
            raw = self._path(digest).read_bytes()
        except OSError:
            return []
        if len(raw) != piece_count(size) * _HASH_BYTES:
            return []
        return [raw[at : at + _HASH_BYTES].hex() for at in range(0, len(raw), _HASH_BYTES)]

    def write(self, digest: str, hashes: Iterable[str]) -> None:
        """Keep the hashes of a whole blob; raise ``OSError``."""
        with AtomicFile(self._directory) as target:
            target.file.write(bytes.fromhex("".join(hashes)))
            target.file.flush()
            target.path.replace(self._path(digest))

    def clean(self, has: Callable[[str], bool]) -> None:
        """Remove the lists of blobs that are gone."""
        for path in self._files():
            if not has(path.name):
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        yield from self._directory.glob("sha256-*") if self._directory.is_dir() else ()

    def _path(self, digest: str) -> Path:
        return self._directory / parse_digest(digest).replace(":", "-")
