"""What is said when the disk is full or may not be written."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from puna.errors import PunaError


class StorageError(PunaError):
    """The disk is full, or may not be written. What was there stays as it was."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


FULL = 507
"""The status where no space is left."""


@contextlib.contextmanager
def storage_errors(path: Path, advice: str = "") -> Iterator[None]:
    """Turn the system's errors with the file at ``path`` into a ``StorageError`` that says what cannot be written.

    ``advice`` is added where there is no space left.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"no space left in {path.parent}{advice}", FULL) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(f"{path.parent} cannot be written: {error.strerror}") from error
        status = FULL if error.errno == errno.EFBIG else 500
        raise StorageError(f"{path}: {error.strerror or error}", status) from error
