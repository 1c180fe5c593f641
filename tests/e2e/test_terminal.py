"""``puna run`` as a conversation in a terminal."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from typing import Self

import pytest
from tests.e2e.test_cli import WORDS, make_parrot
from tests.server import Server, World

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

    def __init__(self, world: World, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        environment = world.environment | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_A_TERMINAL, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self._seen = ""

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
            return os.read(self._master, 4096).decode(errors="replace")
        except OSError as error:  # how Linux says that nobody writes any more
            raise AssertionError(f"the program ended; seen: {self._seen!r}") from error

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, text.encode() + b"\r")

    def status(self) -> int:
        """Wait for the program to end and return its status."""
        return self.process.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def beside(server: Server, world: World) -> World:
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    make_parrot(server.world.models)
    return world


def test_conversation(beside: World) -> None:
    with Terminal(beside, "run", "parrot") as terminal:
        terminal.expect(">>> ")
        terminal.type("Hello, 羊驼!")
        terminal.expect(WORDS)
        terminal.expect(">>> ")
        terminal.type("/set parameter grammar 'root ::= \"something else\"'")
        terminal.expect(">>> ")
        terminal.type("And now?")
        terminal.expect("something else")
        terminal.expect(">>> ")
        terminal.type("/set system Be kind.")
        terminal.expect(">>> ")
        terminal.type("/show info")
        terminal.expect("Capabilities\n    completion")
        terminal.expect(">>> ")
        terminal.type("/clear")
        terminal.expect("Cleared session context")
        terminal.expect(">>> ")
        terminal.type("/nonsense")
        terminal.expect("Error: unknown command: /nonsense")
        terminal.expect(">>> ")
        terminal.type('"""two')
        terminal.expect(r"\.\.\.")
        terminal.type('lines"""')
        terminal.expect("something else")
        terminal.expect(">>> ")
        terminal.type("/bye")
        assert terminal.status() == 0


def test_interrupt_ends_an_answer_and_not_the_conversation(server: Server, beside: World) -> None:
    with Terminal(beside, "run", "cria") as terminal:
        terminal.expect(">>> ")
        # What is typed is drawn again with its ">>> " before it counts: only the reply tells that it has been read.
        for setting, value in (("ignore_eos", "true"), ("num_predict", "2000000")):
            terminal.type(f"/set parameter {setting} {value}")
            terminal.expect(f"Set parameter '{setting}' to '{value}'")
            terminal.expect(">>> ")
        terminal.type("Talk for ever")
        terminal.expect("Talk for ever\n")
        terminal.expect("[^>]{20}")
        terminal.type("\x03")
        terminal.expect(">>> ")  # which would come much later otherwise
        terminal.type("/bye")
        assert terminal.status() == 0
