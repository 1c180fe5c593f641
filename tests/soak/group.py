"""A control group with a memory limit for one server, where the system lets one be made below this process's own."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """The directory of a group, and what the files in it are called in this version of control groups."""

    directory: Path
    limit_file: str
    usage_file: str
    cache_entries: tuple[str, ...]

    @property
    def enter(self) -> str:
        """Return the shell's command by which it, and all that it becomes and starts, enters the group."""
        return f'echo $$ > "{self.directory}/cgroup.procs"'

    def leave_room(self, size: int) -> None:
        """Limit the group to what it uses now and ``size`` bytes more; the cache of files counts as free."""
        stat = dict(line.split() for line in (self.directory / "memory.stat").read_text().splitlines())
        used = int((self.directory / self.usage_file).read_text()) - sum(int(stat[name]) for name in self.cache_entries)
        (self.directory / self.limit_file).write_text(str(used + size))


@contextlib.contextmanager
def memory_group(name: str) -> Iterator[MemoryGroup]:
    """Make a group for as long as the context lasts; raise ``OSError`` where that is not possible."""
    own = {kind: path for _, kind, path in (line.split(":", 2) for line in _membership())}
    if "memory" in own:
        entries = ("total_inactive_file", "total_active_file")
        directory = _MOUNT / "memory" / own["memory"].lstrip("/") / name
        group = MemoryGroup(directory, "memory.limit_in_bytes", "memory.usage_in_bytes", entries)
    else:
        directory = _MOUNT / own[""].lstrip("/") / name
        group = MemoryGroup(directory, "memory.max", "memory.current", ("inactive_file", "active_file"))
    directory.mkdir()
    try:
        if not (directory / group.limit_file).exists():
            raise OSError(f"no limit can be set for {directory}")
        yield group
    finally:
        directory.rmdir()


def _membership() -> list[str]:
    return Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
