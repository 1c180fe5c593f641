"""No image of a process on the disk when it crashes: what was said would be in it."""

import contextlib
import sys


def forbid_core_files(pid: int = 0) -> None:
    """Let the system write no core file of a process, by default this one, nor of those that it starts from now on.

    Only Linux can be told so of another process. Whoever wants one may raise the limit again.
    """
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(OSError, ValueError):  # it has ended
        if sys.platform == "linux":
            _, most = resource.prlimit(pid, resource.RLIMIT_CORE)
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, most))
        elif not pid:
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
