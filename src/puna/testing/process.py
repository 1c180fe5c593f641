"""The server that tests use: a process of its own, with a home and a store that nobody else sees."""

import contextlib
import http.client
import importlib.util
import json
import os
import re
import secrets
import site
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puna.errors import PunaError

HEADER = "X-Puna-Testing"
_CONTROL = "/api/puna/testing"
_START_SECONDS = 60.0
_CONTROL_SECONDS = 60.0
_POLL_SECONDS = 0.01
_LISTENS = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")
_NOT_INHERITED = re.compile("(OLLAMA|PUNA)_|PYTHONWARNINGS$|PYTHONUSERBASE$")
_SETTINGS = {
    "OLLAMA_HOST": "127.0.0.1:0",
    "OLLAMA_KEEP_ALIVE": "-1",
    "PUNA_SESSIONS": "0",
    "PUNA_CONFIG": os.devnull,
}
"""A port that is free, a model that stays, and no caches of conversations from one run for another."""
_LOG_SHOWN = 2000


class ServerError(PunaError):
    """The server for tests could not be started, or has ended."""


@dataclass(frozen=True, slots=True)
class Running:
    """Where a server is: its port on this machine, the key to its scripts, and its directory."""

    port: int
    token: str
    root: Path

    @property
    def models(self) -> Path:
        """Return its store."""
        return self.root / "models"

    def log(self) -> str:
        """Return what it has logged."""
        with contextlib.suppress(FileNotFoundError):
            return (self.root / "log").read_text(encoding="utf-8", errors="replace")
        return ""

    def ask(self, method: str, path: str = "", body: Any = None, *, port: int = 0) -> Any:
        """Return what the server says on a route of its scripts; ``port`` is that of a lane."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=_CONTROL_SECONDS)
        try:
            with contextlib.closing(connection):
                data = None if body is None else json.dumps(body).encode()
                connection.request(method, _CONTROL + path, data, {HEADER: self.token})
                response = connection.getresponse()
                text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"the server does not answer ({error}); its log ends:\n{self._end_of_log()}") from error
        if response.status != http.HTTPStatus.OK:
            raise ServerError(text.decode(errors="replace"))
        return json.loads(text)

    def use(self) -> http.client.HTTPConnection:
        """Return a connection that keeps the server alive until it is closed; raise ``OSError`` if it has ended."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_CONTROL_SECONDS)
        try:
            connection.request("GET", _CONTROL + "/use", headers={HEADER: self.token})
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK or not response.read(1):
                raise ConnectionRefusedError("another server listens there")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ConnectionRefusedError(str(error)) from error
        return connection

    def _end_of_log(self) -> str:
        return self.log()[-_LOG_SHOWN:]


def start(root: Path, models: Path | None, settings: Mapping[str, str]) -> "tuple[Running, subprocess.Popen[bytes]]":
    """Start a server in the directory ``root`` and return where it listens, and its process.

    ``models`` is a store to use instead of an empty one, ``settings`` are further environment variables. The server
    ends when nobody uses it (``Running.use``). Raises ``ServerError``.
    """
    home, token = root / "home", secrets.token_hex(32)
    home.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.match(name)}
    environment |= _SETTINGS | {
        "HOME": str(home),
        "PYTHONUSERBASE": site.getuserbase(),  # what is installed for a user alone lies in the true home
        "PYTHONPATH": _python_path(),
        "PUNA_HOME": str(root / "puna"),
        "OLLAMA_MODELS": str(models or root / "models"),
    }
    environment |= {**settings, "PUNA_TESTING": token}
    with (root / "out").open("wb") as out, (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "puna", "serve"],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            start_new_session=True,  # an interrupt at the terminal is for the tests, which end it
        )
    running = Running(0, token, root)
    port = _port(process, root / "out")
    if not port:
        process.kill()
        process.wait()
        raise ServerError(f"the server did not start; its log ends:\n{running.log()[-_LOG_SHOWN:]}")
    return Running(port, token, root), process


def _port(process: "subprocess.Popen[bytes]", out: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if found := _LISTENS.search(out.read_text(encoding="utf-8", errors="replace")):
            return int(found[1])
        if ended:
            return 0
        time.sleep(_POLL_SECONDS)
    return 0


def _python_path() -> str:
    """Return the way by which the process finds this very package, if it is not installed in the usual place."""
    given = os.environ.get("PYTHONPATH", "")
    spec = importlib.util.find_spec("puna")
    source = str(Path(spec.origin).parents[1]) if spec and spec.origin else ""
    if not source or Path(source).name in ("site-packages", "dist-packages"):
        return given
    return os.pathsep.join(filter(None, (source, given)))
