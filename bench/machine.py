"""What the figures were measured on: processor, instruction sets, cards, memory. Never a name or a path.

And the clock of a process.
"""

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from puna.engine.devices import devices

_INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "avx_vnni": "AVX-VNNI",
    "amx_int8": "AMX",
    "asimddp": "NEON dot product",
    "i8mm": "I8MM",
    "sve": "SVE",
}
_SCHEDULED = 2
"""Names the processor time among the clocks of a process (``CPUCLOCK_SCHED`` in Linux's posix-timers.h)."""


def processor_nanoseconds(pid: int) -> int:
    """Return how long a process has computed.

    Linux alone tells the clock of another process; what is told elsewhere has steps of 10 ms.
    """
    if sys.platform == "linux":
        return time.clock_gettime_ns((~pid << 3) | _SCHEDULED)
    times = psutil.Process(pid).cpu_times()
    return int((times.user + times.system) * 1e9)


def describe(engine: Path | None = None) -> dict[str, Any]:
    """Return a description of this machine, and of the cards that a llama-server finds on it."""
    lines = _cpuinfo()
    flags = set(" ".join(lines.get("flags", lines.get("Features", ()))).split())
    return {
        "processor": next(iter(lines.get("model name", ())), platform.processor() or platform.machine()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instructions": [name for flag, name in _INSTRUCTIONS.items() if flag in flags],
        "cards": [str(device) for device in devices(str(engine)) or ()] if engine else [],
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30), 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": ".".join(map(str, sys.version_info[:3])),
        "xllamacpp": version("xllamacpp"),
    }


def _cpuinfo() -> dict[str, list[str]]:
    """Return the values of each key of /proc/cpuinfo; nothing where there is no such file."""
    path = Path("/proc/cpuinfo")
    lines: dict[str, list[str]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        key, _, value = line.partition(":")
        lines.setdefault(key.strip(), []).append(value.strip())
    return lines
