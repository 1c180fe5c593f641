"""Runs a program that ends with its parent: ``python -I -S bound.py PARENT PROGRAM ARGUMENT...``.

The program takes this process's place. Linux kills it when the parent ends, however that came. Other systems have no
such word, so there a shell waits for the end of standard input, a pipe that the parent holds, and does it then.
This file is run by its path and imports nothing of the package, so that it costs about ten milliseconds.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_WAIT_AND_KILL = 'read -r _; kill -9 "$1"'


def command(program: list[str]) -> list[str]:
    """Return the command that runs ``program`` so that it ends with the process that calls this."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *program]


def _main() -> None:
    parent, *program = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    elif os.fork() == 0:
        os.execv("/bin/sh", ["sh", "-c", _WAIT_AND_KILL, "sh", str(os.getppid())])
    if os.getppid() != int(parent):  # it ended before the word was given
        sys.exit(1)
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    _main()
