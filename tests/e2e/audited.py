"""``puna serve``, whose log says what the thread of its event loop changes on the disk itself."""

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
_loop_thread = threading.get_ident()


def _hook(event: str, args: tuple[object, ...]) -> None:
    if threading.get_ident() != _loop_thread or asyncio._get_running_loop() is None:
        return
    flags = args[2] if event == "open" else 0
    if event in _CHANGES or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
        where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(traceback.extract_stack(limit=8)))
        print(f"{MARK}: {event} {args[0]!r}: {where}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.addaudithook(_hook)
    sys.argv = ["puna", "serve", *sys.argv[1:]]
    runpy.run_module("puna", run_name="__main__")
