"""A child process that is started and waited for in a thread of its own, so that the event loop does neither.

Starting one holds whoever does it until the system has made the child and that runs its program: 5 ms on an idle
machine, more than 100 ms on a busy one. The thread lives as long as the child, because Linux, when it is asked to kill
a child with its parent (``bound.py``), means the thread that started it.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from puna.core_files import forbid_core_files

_PAUSE_SECONDS = 0.01


class Process:
    """A child with pipes for its standard input and error, in a session of its own; make one with ``start``."""

    def __init__(self, child: "subprocess.Popen[bytes]", ended: "asyncio.Future[int]") -> None:
        self.pid = child.pid
        self.stderr = asyncio.StreamReader()
        self._child = child
        self._ended = ended

    @classmethod
    async def start(cls, command: Sequence[str], env: Mapping[str, str], descriptors: Sequence[int] = ()) -> Self:
        """Start ``command`` with an environment, and open files that it inherits.

        However this ends, the descriptors are not needed any more then, and a child that nobody waits for is killed.
        Raises ``OSError``.
        """
        loop = asyncio.get_running_loop()
        started: asyncio.Future[subprocess.Popen[bytes]] = loop.create_future()
        ended: asyncio.Future[int] = loop.create_future()

        def tell(settle: Callable[[Any], None], what: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: pipes that end then end the child
                loop.call_soon_threadsafe(settle, what)

        def live() -> None:
            try:
                child = _spawn(command, env, descriptors)
            except Exception as error:  # noqa: BLE001 - raised where somebody waits
                tell(started.set_exception, error)
                return
            tell(started.set_result, child)
            tell(ended.set_result, child.wait())

        threading.Thread(target=live, name="runner", daemon=True).start()
        try:
            child = await asyncio.shield(started)
            process = cls(child, ended)
            ended.add_done_callback(lambda _: process.close())
            await loop.connect_read_pipe(lambda: _Output(process.stderr), child.stderr)
        except BaseException:
            started.add_done_callback(_drop)
            await asyncio.wait({started})
            raise
        return process

    @property
    def returncode(self) -> int | None:
        """Return the status that it ended with, less than 0 for a signal; ``None`` while it runs."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> None:
        """Return when it has ended."""
        await asyncio.shield(self._ended)

    async def tell(self, text: str) -> None:
        """Write to its standard input. Raises ``ConnectionError`` when it does not read any more."""
        rest = text.encode()
        while rest:
            if self._input.closed:
                raise BrokenPipeError
            rest = rest[self._input.write(rest) or 0 :]
            if rest:
                await asyncio.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Close its standard input."""
        with contextlib.suppress(OSError):
            self._input.close()

    def kill(self) -> None:
        """End it and all that it started, at once."""
        _kill(self.pid)

    @property
    def _input(self) -> Any:
        return self._child.stdin


class _Output(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        """Have the pipe closed, which uvloop leaves open for a protocol that might still write."""
        super().eof_received()
        return False


def _spawn(command: Sequence[str], env: Mapping[str, str], descriptors: Sequence[int]) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(
        command,
        env=env,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
        # A Ctrl-C for the server must not reach its runners first. But they have no session of their own: Linux shares
        # processors out by session (autogroup), and the server's waited for 200 ms behind two that computed.
        process_group=0,
    )
    forbid_core_files(child.pid)
    os.set_blocking(child.stdin.fileno(), False)  # type: ignore[union-attr]
    return child


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _drop(started: "asyncio.Future[subprocess.Popen[bytes]]") -> None:
    """End a child that nobody waits for."""
    if started.exception():
        return
    child = started.result()
    _kill(child.pid)
    for pipe in (child.stdin, child.stderr):
        if pipe:
            pipe.close()
