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
    """A translated file that is open: ``path`` is how a process that inherits ``descriptor`` opens it."""

    descriptor: int
    way: str
    size: int

    @property
    def path(self) -> str:
        """Return the path under which the engine finds it."""
        return f"/proc/self/fd/{self.descriptor}" if sys.platform == "linux" else f"/dev/fd/{self.descriptor}"

    @property
    def in_memory(self) -> bool:
        """Return whether its bytes count as memory that is used."""
        return self.way == "memory"

    def close(self) -> None:
        """Let it go; it is gone when the runner has closed it as well."""
        os.close(self.descriptor)


def store(translation: Translation, directory: Path, free_memory: int) -> Stored:
    """Write a translation somewhere: on the disk of ``directory`` without copying, else in memory, else copied.

    ``free_memory`` are the bytes that are free for it. Raises ``NoRoomError``, and ``GGUFError`` if the original is
    not what it was.
    """
    if _can_share(translation.gguf.path, directory):
        return _filled(_unnamed(directory), "shared", translation)
    if hasattr(os, "memfd_create") and translation.size * _LEAST_ROOM <= free_memory:
        return _filled(os.memfd_create(f"puna-{translation.layout}", 0), "memory", translation)
    return _filled(_unnamed(directory), "copied", translation)


def _filled(descriptor: int, way: str, translation: Translation) -> Stored:
    try:
        os.set_inheritable(descriptor, False)  # but by the process for which it is meant
        translation.write(descriptor)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT):
            where = "in memory" if way == "memory" else "on the disk of the models"
            raise NoRoomError(f"no room {where} for {translation.size} bytes of a translated model") from error
        raise
    except BaseException:
        os.close(descriptor)
        raise
    return Stored(descriptor, way, translation.size)


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
