"""The directory of a runner's socket, which only this user can read. It goes with the runner.

A portable runner removes it by itself when its server has been killed. A llama-server cannot: Linux kills it too. So a
shell of about 100 KiB watches its place, waiting for the end of a pipe that the server holds, and removes it then. If
somebody kills that as well, the next server does it (``remove_abandoned``).
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from puna.engine.config import LOADING
from puna.engine.environment import environment

_PREFIX = "puna-runner-"
_SOCKET = "engine.sock"  # the engine tells a socket from a host by its name
_YOUNG_SECONDS = 60
# In the background, so that it is nobody's child and nobody has to wait for it. There the shell gives it an empty
# standard input, in whose place another number of the pipe goes.
_WAIT_AND_REMOVE = 'exec 3<&0; (read -r _; rm -rf "$1") <&3 &'


class Place:
    """A directory under ``directory`` that nobody else has: from ``make``, which a runner may do too, to ``remove``.

    As a context manager it does both.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / f"{_PREFIX}{secrets.token_hex(4)}"
        self._pipe = -1

    @property
    def socket(self) -> Path:
        """Return where the runner is to listen."""
        return self.path / _SOCKET

    def make(self) -> None:
        """Make the directory."""
        self.path.mkdir(mode=0o700)

    def watch(self) -> None:
        """See to it that the directory goes with this process, however that ends."""
        pipe, self._pipe = os.pipe()
        try:
            subprocess.run(
                ["/bin/sh", "-c", _WAIT_AND_REMOVE, "sh", str(self.path)],
                cwd="/",
                env=environment(),
                stdin=pipe,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # what is meant for the server's group must not reach it first
                check=False,
            )
        finally:
            os.close(pipe)

    def __enter__(self) -> Self:
        self.make()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the directory and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


async def remove_abandoned_later(directory: Path) -> None:
    """Remove what is left of a server that had just been killed when this one began, once it is not young any more."""
    await asyncio.sleep(2 * _YOUNG_SECONDS)
    await asyncio.to_thread(remove_abandoned, directory)


def remove_abandoned(directory: Path) -> int:
    """Remove what runners left in ``directory`` that were killed together with their server; return how many.

    Nobody listens there any more. The places of other users are left alone, and young ones, which may be about to be
    listened on.
    """
    removed = 0
    for place in directory.glob(f"{_PREFIX}*/"):
        with contextlib.suppress(OSError):
            stat = place.stat()
            if stat.st_uid == os.getuid() and time.time() - stat.st_mtime > _YOUNG_SECONDS:
                removed += _remove_if_dead(place)
    return removed


def _remove_if_dead(place: Path) -> bool:
    """Remove a runner's directory if nobody listens there; raise ``OSError`` if that cannot be told."""
    was_used = False
    for name in (LOADING, _SOCKET):  # in the order in which a runner that has loaded has them
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(FileNotFoundError):
            try:
                probe.connect(str(place / name))
                return False
            except ConnectionRefusedError:
                was_used = True
    if was_used:
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.rmdir()
    return True
