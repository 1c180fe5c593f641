"""How many files, connections included, this process may have open."""

import contextlib
import sys

_ENOUGH = 65536
_SURE = 10240
"""What macOS allows at least, whatever limit it names."""


def raise_limit() -> int:
    """Raise the limit as far as the system allows, within reason, and return it; many begin with 1024 or 256."""
    if sys.platform == "win32":
        return _ENOUGH  # handles have no such limit
    import resource  # there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (_ENOUGH, _SURE):
        reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft == resource.RLIM_INFINITY or soft >= reachable:
            break
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
            soft = reachable
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft
