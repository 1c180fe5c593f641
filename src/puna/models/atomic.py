"""Files that appear complete or not at all.

A file is written under a temporary name whose writer holds a lock on it, so that the leftovers of a killed process
are told from the files of a living one, then renamed to its place.
"""

import contextlib
import fcntl
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

WHOLE = 2 << 20
"""Bytes of a large page. A file that is written in such pieces, each at a multiple of its size, lies in memory in large
pages where the kernel has them for files (ext4 since Linux 6.16), and is mapped so. To look small ones up takes up to a
fifth of the time of a token (1 B, Q4_K_M, two Zen 4 cores, ``llama-bench -p 0 -n 32``).
"""
_PREFIX = "puna-writing-"
_SCRATCH_PREFIX = "puna-working-"


class AtomicFile:
    """A file being written in ``directory``; as a context manager it leaves nothing unless ``publish`` was called.

    It is written ``buffering`` bytes at a time.
    """

    def __init__(self, directory: Path, *, buffering: int = io.DEFAULT_BUFFER_SIZE) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=directory)
        self.path = Path(name)
        self.file: IO[bytes] = os.fdopen(descriptor, "wb", buffering)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.fchmod(descriptor, 0o644)
        except OSError:
            self.__exit__(None, None, None)
            raise

    def publish(self, destination: Path) -> None:
        """Put the file, safely on disk, in the place of ``destination`` (on the same file system)."""
        self.file.flush()
        os.fsync(self.file.fileno())
        destination.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(destination)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing flushes what is buffered, which fails again where the disk was full: the name must go all the same.
        try:
            self.file.close()
        finally:
            self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch_directory(parent: Path) -> Iterator[Path]:
    """Give a new directory in ``parent`` that is gone, with all that is in it, at the end of the context."""
    parent.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=parent))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def remove_scratch(parent: Path) -> int:
    """Remove scratch directories in ``parent`` whose makers are gone, and return how many there were."""
    removed = 0
    for path in parent.glob(f"{_SCRATCH_PREFIX}*") if parent.is_dir() else ():
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
            finally:
                os.close(descriptor)
    return removed


def remove_leftovers(directory: Path) -> int:
    """Remove temporary files in ``directory`` whose writers are gone, and return how many there were."""
    removed = 0
    for path in directory.glob(f"{_PREFIX}*") if directory.is_dir() else ():
        # It is gone, in use, or on a read-only disk. NFS lets nobody lock what is open for reading alone.
        with contextlib.suppress(OSError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed += 1
    return removed
