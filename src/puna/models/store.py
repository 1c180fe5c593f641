"""Content-addressed blobs in Ollama's layout: ``blobs/sha256-<hex>`` under the models directory.

A blob appears under its name only when it is complete and its bytes hash to that name.
"""

import contextlib
import hashlib
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from puna.errors import BadRequestError, NotFoundError
from puna.models.atomic import WHOLE, AtomicFile
from puna.models.storage import storage_errors

_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
_BLOCK = 4 << 20


class InvalidDigestError(BadRequestError):
    """The text is not a SHA-256 digest."""

    def __init__(self, text: str) -> None:
        super().__init__(f"invalid digest format: {text!r}")


class DigestMismatchError(BadRequestError):
    """The bytes do not hash to the digest that was announced."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f'digest mismatch, expected "{expected}", got "{actual}"')


class BlobNotFoundError(NotFoundError):
    """The store has no blob of this digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f'blob "{digest}" not found')


def parse_digest(text: str) -> str:
    """Return ``text`` as ``sha256:<64 lower-case hex digits>``; raise ``InvalidDigestError``."""
    match = _DIGEST.fullmatch(text)
    if match is None:
        raise InvalidDigestError(text)
    return f"sha256:{match[1].lower()}"


def is_digest(text: str) -> bool:
    """Return whether ``text`` is a digest, or the name of a blob's file."""
    return _DIGEST.fullmatch(text) is not None


def digest_bytes(data: bytes) -> str:
    """Return the digest of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_file(path: Path) -> str:
    """Return the digest of the file at ``path``."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


class BlobWriter:
    """Writes one blob; use it as a context manager. What is not committed leaves no trace.

    Making it, ``write`` and ``commit`` raise ``StorageError`` where the disk is full or may not be written.
    """

    def __init__(self, store: "BlobStore") -> None:
        self._store = store
        with storage_errors(store.directory / "blob"):
            self._target = AtomicFile(store.directory, buffering=WHOLE)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        rest = memoryview(data)
        with storage_errors(self._target.path):
            while rest:  # up to where the buffer is full, so that it is always written whole
                room = WHOLE - self.size % WHOLE
                self._target.file.write(rest[:room])
                self.size += len(rest[:room])
                rest = rest[room:]
        self._hash.update(data)

    @property
    def path(self) -> Path:
        """Return the file that holds what has been written and flushed, until it is committed."""
        return self._target.path

    def flush(self) -> None:
        """Let others who read the file find all that has been written."""
        with storage_errors(self._target.path):
            self._target.file.flush()

    def commit(self, expected: str | None = None) -> str:
        """Make the blob visible and return its digest.

        Raises ``DigestMismatchError`` (and keeps nothing) when ``expected`` is another digest.
        """
        digest = f"sha256:{self._hash.hexdigest()}"
        if expected is not None and expected != digest:
            raise DigestMismatchError(expected, digest)
        path = self._store.path_for_write(digest)
        with storage_errors(path):
            self._target.publish(path)
        return digest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with storage_errors(self._target.path):
            self._target.__exit__(kind, value, trace)


class BlobStore:
    """The blobs under ``root/blobs``; those that only ``fallback`` has can be read as well."""

    def __init__(self, root: Path, fallback: "BlobStore | None" = None) -> None:
        self.directory = root / "blobs"
        self._fallback = fallback
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def path(self, digest: str) -> Path:
        """Return where the blob lies; raise ``InvalidDigestError`` or ``BlobNotFoundError``."""
        path = self.path_for_write(digest)
        if path.is_file():
            return path
        if self._fallback is None:
            raise BlobNotFoundError(digest)
        return self._fallback.path(digest)

    def has(self, digest: str) -> bool:
        """Return whether the blob can be read, wherever it lies."""
        try:
            self.path(digest)
        except BlobNotFoundError:
            return False
        return True

    def path_for_write(self, digest: str) -> Path:
        """Return the blob's place in the store's directory, whether or not it exists."""
        return self.directory / parse_digest(digest).replace(":", "-")

    def read(self, digest: str, limit: int = 16 << 20) -> bytes:
        """Return the bytes of a small blob (configurations, templates); refuse one over ``limit`` bytes."""
        path = self.path(digest)
        if path.stat().st_size > limit:
            raise BadRequestError(f"blob {digest} is larger than the {limit} bytes that its kind may have")
        return path.read_bytes()

    def writer(self) -> BlobWriter:
        """Return a writer for a new blob."""
        return BlobWriter(self)

    def add(self, data: bytes) -> str:
        """Store ``data`` and return its digest; writing the same bytes twice is one blob."""
        digest = digest_bytes(data)
        if not self.path_for_write(digest).is_file():
            with self.writer() as writer:
                writer.write(data)
                writer.commit()
        return digest

    def materialize(self, digest: str) -> bool:
        """Copy a blob that only the fallback has into the store, so that other programs and later versions find it.

        Returns whether it had to; raises ``BlobNotFoundError`` or ``StorageError``.
        """
        source = self.path(digest)
        if source == self.path_for_write(digest):
            return False
        with self.writer() as writer, source.open("rb") as file:
            while block := file.read(_BLOCK):
                writer.write(block)
            writer.commit(parse_digest(digest))
        return True

    def adopt(self, path: Path, digest: str) -> None:
        """Make a file of the store's file system, whose bytes hash to ``digest``, a blob, taking it from its place."""
        destination = self.path_for_write(digest)
        with storage_errors(destination):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.chmod(0o644)
            self.directory.mkdir(parents=True, exist_ok=True)
            path.replace(destination)

    @contextlib.contextmanager
    def holding(self) -> Iterator[Callable[[str], None]]:
        """Give a function that keeps a blob from being removed, there yet or not, for as long as the context lasts.

        Work that brings blobs together before a manifest names them needs this: meanwhile a model may be deleted.
        """
        mine: list[str] = []

        def hold(digest: str) -> None:
            with self._lock:
                self._held[digest] += 1
            mine.append(digest)

        try:
            yield hold
        finally:
            with self._lock:
                self._held -= Counter(mine)

    def remove(self, digest: str) -> None:
        """Remove the blob if the store has it and nobody holds it; raise ``StorageError``."""
        path = self.path_for_write(digest)
        with self._lock, storage_errors(path):
            if not self._held[digest]:
                path.unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """Yield the digest of every blob in the store's directory."""
        if self.directory.is_dir():
            for entry in os.scandir(self.directory):
                if is_digest(entry.name):
                    yield parse_digest(entry.name)
