"""Secrets of this installation, each in a file that only its user can read."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path


def kept_secret(path: Path, size: int) -> bytes:
    """Return what the file at ``path`` holds; without one it is made, of ``size`` random bytes. Raises ``OSError``.

    Of servers that begin at the same time, one makes it, and all have the same.
    """
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)  # that only this user may read
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(size))
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
    return path.read_bytes()
