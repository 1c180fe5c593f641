"""One server for several processes, the workers of pytest-xdist: each has a port, and with it a script, of its own."""

import fcntl
import json
from contextlib import suppress
from pathlib import Path
from typing import Self

from puna.testing.process import Running, start
from puna.testing.server import Server


class SharedServer(Server):
    """The server of everybody who names the same directory. The first one starts it; it ends after the last one."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def start(self) -> Self:
        """Start the server if nobody has, and open a port of one's own on it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._running = self._join() or self._found()
        self._lane = self._running.ask("POST", "/lanes")["port"]
        return self

    def stop(self) -> None:
        """Leave the server to the others."""
        self._leave()
        self._running = None

    def _join(self) -> Running | None:
        with suppress(FileNotFoundError, ConnectionRefusedError):
            state = json.loads((self._directory / "server.json").read_text(encoding="utf-8"))
            running = Running(state["port"], state["token"], self._directory)
            self._use = running.use()
            return running
        return None

    def _found(self) -> Running:
        running, process = start(self._directory, None, {})
        self._use = running.use()
        process.returncode = 0  # nobody waits for it: it ends by itself, after its last user
        state = self._directory / "server.json"
        state.touch(0o600)
        state.write_text(json.dumps({"port": running.port, "token": running.token}), encoding="utf-8")
        return running
