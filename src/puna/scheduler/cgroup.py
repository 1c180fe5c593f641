"""How much memory the control groups of this process leave it: what bounds a container, or a systemd service.

Linux only; elsewhere, and where the files cannot be read, there is no limit. Both versions are read, also side by side:
https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_MOUNT = re.compile(r"\S+ \S+ \S+ (\S+) (\S+) .*- (cgroup2?) .*?(\S+)")
"""A line of ``mountinfo``: root, mount point, type, and the options of its file system."""
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class _Files:
    """The names that one version gives to the same things. ``cache`` are the entries of ``stat`` that can be freed."""

    limits: tuple[str, ...]
    usage: str
    cache: tuple[str, ...]
    stat: str = "memory.stat"


_V1 = _Files(("memory.limit_in_bytes",), "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))
_V2 = _Files(("memory.max", "memory.high"), "memory.current", ("inactive_file", "active_file"))


class MemoryGroups:
    """The control groups that this process is in, those above them included. ``proc`` is its directory in ``/proc``."""

    def __init__(self, proc: Path = Path("/proc/self")) -> None:
        self._groups = list(_groups(proc))

    def available(self) -> int | None:
        """Return how many more bytes may be used, ``None`` without a limit.

        The cache of files counts as free: it gives way, and weights that are mapped lie in it.
        """
        spare = [_spare(directory, files) for directory, files in self._groups]
        return min((max(bytes_, 0) for bytes_ in spare if bytes_ is not None), default=None)


def _groups(proc: Path) -> Iterator[tuple[Path, _Files]]:
    try:
        memberships, mounts = (
            (proc / name).read_text(errors="surrogateescape").splitlines() for name in ("cgroup", "mountinfo")
        )
    except OSError:
        return
    places = {controllers: path for _, controllers, path in (line.split(":", 2) for line in memberships)}
    for mount in mounts:
        found = _MOUNT.fullmatch(mount)
        if not found:
            continue
        root, point, kind, options = found.groups()
        if kind == "cgroup2":
            controllers, files = "", _V2
        elif "memory" in options.split(","):
            controllers, files = next((key for key in places if "memory" in key.split(",")), "memory"), _V1
        else:
            continue
        for directory in _upwards(Path(_plain(point)), _plain(root), places.get(controllers, "/")):
            yield directory, files


def _upwards(point: Path, root: str, path: str) -> Iterator[Path]:
    """Yield the directory of a group below the mount ``point`` of ``root``, and those above it.

    In a container the group may have a name that only the host can see; then the mount point is the group.
    """
    own = PurePosixPath(path)
    below = own.relative_to(root) if own.is_relative_to(root) else PurePosixPath()
    if ".." in below.parts or not (point / below).is_dir():
        below = PurePosixPath()
    yield point / below
    for parent in below.parents:
        yield point / parent


def _spare(directory: Path, files: _Files) -> int | None:
    limits = [limit for limit in (_number(directory / name) for name in files.limits) if limit is not None]
    usage = _number(directory / files.usage)
    if not limits or usage is None:
        return None
    try:
        stat = dict(
            line.split(maxsplit=1) for line in (directory / files.stat).read_text(encoding="utf-8").splitlines()
        )
        cache = sum(int(stat.get(name, 0)) for name in files.cache)
    except (OSError, ValueError):
        cache = 0
    return min(limits) - max(usage - cache, 0)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # "max" is no limit
        return None


def _plain(field: str) -> str:
    """Return a field of ``mountinfo`` with its escapes undone."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
