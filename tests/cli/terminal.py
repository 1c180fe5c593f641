"""A program in a pseudo-terminal, as a user has it before them."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from typing import Self

from tests.server import World

# A terminal that is the program's own turns Ctrl-C into a signal, which the tests' parent may have ignored.
_IN_A_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "puna", *sys.argv[1:]])
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|[\r\x07]")


class Terminal:
    """A program in a pseudo-terminal, and what it has shown so far."""

    def __init__(self, world: World, *arguments: str, columns: int = 80, rows: int = 30) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"} | world.environment
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_A_TERMINAL, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=world.home,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self._seen = ""
        self.raw = ""
        """All that was written so far, with what steers the terminal."""

    def expect(self, pattern: str, seconds: float = 60) -> str:
        """Return what was shown up to the first match of ``pattern``, and forget it."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self._seen)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._master], [], [], left)[0]:
                raise AssertionError(f"waited for {pattern!r}; seen: {self._seen!r}")
            self._seen += _ESCAPES.sub("", self._read())
        shown, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return shown

    def _read(self) -> str:
        try:
            text = os.read(self._master, 4096).decode(errors="replace")
            self.raw += text
            return text
        except OSError as error:  # how Linux says that nobody writes any more
            raise AssertionError(f"the program ended; seen: {self._seen!r}") from error

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, text.encode() + b"\r")

    def press(self, keys: str) -> None:
        """Press keys, without Enter after them."""
        os.write(self._master, keys.encode())

    def talk_for_ever(self) -> None:
        """Have an answer begin that does not end by itself, and see its beginning."""
        self.expect(">>> ")
        # What is typed is drawn again with its ">>> " before it counts: only the reply tells that it has been read.
        for setting, value in (("ignore_eos", "true"), ("num_predict", "2000000")):
            self.type(f"/set parameter {setting} {value}")
            self.expect(f"Set parameter '{setting}' to '{value}'")
            self.expect(">>> ")
        self.type("Talk for ever")
        self.expect("Talk for ever\n")
        self.expect("[^>]{40}")

    def rest(self) -> str:
        """Return what is shown until the program ends."""
        while True:
            try:
                self._seen += _ESCAPES.sub("", self._read())
            except AssertionError:
                return self._seen

    def status(self) -> int:
        """Wait for the program to end and return its status."""
        return self.process.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
