"""A bound on the memory that a runner may ask the system for. Linux only; elsewhere nothing is bounded.

``RLIMIT_DATA`` counts what is private and may be written (setrlimit(2), since Linux 4.7): not weights that are mapped
from their file, but all that is allocated, used or not, the stacks of threads among it. Beyond it allocation fails,
which ends the call that asked for so much, or the process.
"""

import contextlib
import os
import sys
from pathlib import Path

_STACK = 8 << 20
"""Bytes of a thread's stack, which count from the thread's beginning."""


def limit_memory(pid: int, size: int) -> None:
    """Bound a process to ``size`` bytes, 0 for none, unless it is bounded to fewer; what it has already it keeps."""
    if size and sys.platform == "linux":
        import resource

        with contextlib.suppress(OSError, ValueError):  # it has ended
            now, most = resource.prlimit(pid, resource.RLIMIT_DATA)
            if now == resource.RLIM_INFINITY or now > size:
                resource.prlimit(pid, resource.RLIMIT_DATA, (size, most))


def limit_processor(pid: int, seconds: int) -> None:
    """End a process by SIGXCPU once it has computed for so many seconds, 0 for never. Linux only."""
    if seconds and sys.platform == "linux":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds + 1))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def allocated(pid: int) -> int:
    """Return how many bytes a process has that count against its bound, 0 if that is unknown."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) << 10
    return 0


def stacks() -> int:
    """Return the bytes of the stacks of all threads that a runner may start: two for each processor, and a few."""
    return _STACK * (2 * (os.cpu_count() or 1) + 16)
