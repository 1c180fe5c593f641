"""Why a file cannot be used: the status of the answer (RFC 9110, RFC 4918) and words, by the codes of the system and of
SQLite."""

import errno

_FULL = (507, "no space left on the disk")
_HELD = (503, "another program holds the file")
_FAILED = (500, "the disk failed to read or write")
_DENIED = (500, "permission denied")
_SYSTEM = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: (507, "the disk quota is used up, no space is left"),
    errno.EFBIG: (507, "the system allows no larger file"),
    errno.EROFS: (500, "the file system is read-only"),
    errno.EACCES: _DENIED,
    errno.EPERM: (500, "operation not permitted"),
    errno.EIO: _FAILED,
    errno.EMFILE: (503, "too many files are open (ulimit -n)"),
    errno.ENFILE: (503, "too many files are open on this machine"),
}
_SQLITE = {
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR_SHMSIZE": _FULL,
    "SQLITE_BUSY": _HELD,
    "SQLITE_LOCKED": _HELD,
    "SQLITE_READONLY": (500, "the file cannot be written"),
    "SQLITE_CANTOPEN": (500, "the file cannot be opened"),
    "SQLITE_PERM": _DENIED,
    "SQLITE_IOERR": _FAILED,
    "SQLITE_CORRUPT": (500, "the file is damaged"),
    "SQLITE_NOTADB": (500, "the file is no database"),
}
"""By the names of result codes: primary ones, where the extended one is not here (``SQLITE_BUSY_SNAPSHOT``)."""


def fault_of_system(number: int | None) -> tuple[int, str] | None:
    """Return status and words for an ``errno``, ``None`` for one that says nothing of a disk."""
    return _SYSTEM.get(number or 0)


def fault_of(error: Exception) -> tuple[int, str]:
    """Return status and words for an ``OSError`` or an error of ``sqlite3``."""
    if isinstance(error, OSError):
        return fault_of_system(error.errno) or (500, error.strerror or str(error))
    name: str = getattr(error, "sqlite_errorname", "")
    return _SQLITE.get(name) or _SQLITE.get("_".join(name.split("_")[:2])) or (500, str(error))
