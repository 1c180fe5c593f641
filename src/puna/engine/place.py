"""The directory of a runner's socket, which only this user can read. It goes with the runner.

A portable runner removes it by itself when its server has been killed. A llama-server cannot: Linux kills it too. So a
shell of about 100 KiB watches its place, waiting for the end of a pipe that the server holds, and removes it then. If
somebody kills that as well, the next server does it (``remove_abandoned``).
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

_PREFIX = "puna-"
_SOCKET = "engine.sock"  # the engine tells a socket from a host by its name
_YOUNG_SECONDS = 60
# In the background, so that it is nobody's child and nobody has to wait for it. There the shell gives it an empty
# standard input, in whose place another number of the pipe goes.
_WAIT_AND_REMOVE = 'exec 3<&0; (read -r _; rm -rf "$1") <&3 &'


class Place:
    """A new directory under ``directory``, until ``remove``."""

    def __init__(self, directory: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=directory))
        self._pipe = -1

    @property
    def socket(self) -> Path:
        """Return where the runner is to listen."""
        return self.path / _SOCKET

    def watch(self) -> None:
        """See to it that the directory goes with this process, however that ends."""
        pipe, self._pipe = os.pipe()
        try:
            subprocess.run(
                ["/bin/sh", "-c", _WAIT_AND_REMOVE, "sh", str(self.path)],
                cwd="/",
                stdin=pipe,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # what is meant for the server's group must not reach it first
                check=False,
            )
        finally:
            os.close(pipe)

    def remove(self) -> None:
        """Remove the directory and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


def remove_abandoned(directory: Path) -> int:
    """Remove what runners left in ``directory`` that were killed together with their server; return how many.

    Nobody listens on their sockets any more. Those of other users are left alone, and young ones, which may be about to
    be listened on.
    """
    removed = 0
    for path in directory.glob(f"{_PREFIX}*/{_SOCKET}"):
        with contextlib.suppress(OSError):
            stat = path.stat()
            if stat.st_uid == os.getuid() and time.time() - stat.st_mtime > _YOUNG_SECONDS:
                removed += _remove_if_dead(path)
    return removed


def _remove_if_dead(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            shutil.rmtree(path.parent, ignore_errors=True)
            return True
    return False
