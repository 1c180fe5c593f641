"""``puna serve``, whose log says what the thread of its event loop does on the disk itself."""

import asyncio
import os
import runpy
import sys
import threading
import traceback

MARK = "on the event loop"
_CHANGES = {
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "shutil.rmtree",
}
_READS = {"open", "os.listdir", "os.scandir"}
_MANY = "/sessions"
"""Where there may be many files. Single ones, which the system keeps in memory, may be read."""
_loop_thread = threading.get_ident()


def _hook(event: str, args: tuple[object, ...]) -> None:
    if threading.get_ident() != _loop_thread or asyncio._get_running_loop() is None:
        return
    if event in _CHANGES or (event in _READS and _is_slow(args)):
        frames = traceback.StackSummary.extract(traceback.walk_stack(sys._getframe()), limit=8, lookup_lines=False)
        where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
        print(f"{MARK}: {event} {args[0]!r}: {where}", file=sys.stderr, flush=True)


def _is_slow(args: tuple[object, ...]) -> bool:
    is_changed = isinstance(args[-1], int) and bool(args[-1] & (os.O_WRONLY | os.O_RDWR))
    return is_changed or _MANY in str(args[0])


if __name__ == "__main__":
    sys.addaudithook(_hook)
    sys.argv = ["puna", "serve", *sys.argv[1:]]
    runpy.run_module("puna", run_name="__main__")
