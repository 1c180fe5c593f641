"""The home directory in paths that people write: ``~`` and ``~name``."""

from pathlib import Path


def expanded(path: Path) -> Path:
    """Return ``path`` with the home directory that it begins with, or as it is where there is no such home.

    A container's user often has none, and ``~name`` may name nobody.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        return path
