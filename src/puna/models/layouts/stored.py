"""Where the bytes of a translated file lie while a model is in memory. The original stays as it is.

- *memory*: an anonymous file that the runner inherits and maps: the only copy of the weights in memory.
- *shared*: an unnamed file whose data are the original's own blocks, where the file system can share them.
- *copied*: an unnamed file with a copy of its own, where memory has no room and the disk has.

None has a name, so that nothing is left behind, however the processes end. (Where the system has no unnamed files, a
name is given and taken back.)
"""

import errno
import fcntl
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from puna.errors import PunaError
from puna.models.layouts.translation import Translation

_FICLONE = 0x40049409
"""Linux's request to make a file a clone of another (``linux/fs.h``)."""
_LEAST_ROOM = 1.1
"""How many times a file's size must be free in memory for it to lie there."""


class NoRoomError(PunaError):
    """A translated model has room neither in memory nor on the disk."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A place for a translated file: ``path`` is how a process that inherits ``descriptor`` opens it."""

    descriptor: int
    way: str
    translation: Translation

    @property
    def size(self) -> int:
        """Return the bytes of the file."""
        return self.translation.size

    @property
    def path(self) -> str:
        """Return the path under which the engine finds it."""
        return f"/proc/self/fd/{self.descriptor}" if sys.platform == "linux" else f"/dev/fd/{self.descriptor}"

    @property
    def in_memory(self) -> bool:
        """Return whether its bytes count as memory that is used."""
        return self.way == "memory"

    def fill(self) -> None:
        """Write the file. Raises ``NoRoomError``, and ``GGUFError`` if the original is not what it was."""
        try:
            self.translation.write(self.descriptor)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT):
                raise
            where = "in memory" if self.in_memory else "on the disk of the models"
            raise NoRoomError(f"no room {where} for {self.size} bytes of a translated model") from error

    def close(self) -> None:
        """Let it go; it is gone when the runner has closed it as well."""
        os.close(self.descriptor)


def place_for(translation: Translation, directory: Path, free_memory: int) -> Stored:
    """Return an empty place for a translation: on the disk of ``directory`` if nothing need be copied there, else in
    memory, else on the disk all the same.

    ``free_memory`` are the bytes that are free for it. No process inherits it but the one for which it is meant.
    """
    if _can_share(translation.gguf.path, directory):
        return Stored(_unnamed(directory), "shared", translation)
    if hasattr(os, "memfd_create") and translation.size * _LEAST_ROOM <= free_memory:
        return Stored(os.memfd_create(f"puna-{translation.layout}"), "memory", translation)
    return Stored(_unnamed(directory), "copied", translation)


def _unnamed(directory: Path) -> int:
    """Return a new file of the directory's file system that has no name."""
    if hasattr(os, "O_TMPFILE"):
        try:
            return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
    descriptor, name = tempfile.mkstemp(prefix="puna-writing-", dir=directory)
    Path(name).unlink()
    return descriptor


def _can_share(original: Path, directory: Path) -> bool:
    """Return whether files of this directory can have blocks of the original as their own."""
    if sys.platform != "linux":
        return False
    try:
        descriptor = _unnamed(directory)
    except OSError:
        return False
    try:
        with original.open("rb") as file:
            fcntl.ioctl(descriptor, _FICLONE, file.fileno())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
