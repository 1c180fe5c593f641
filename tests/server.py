"""A real server for tests: ``python -m puna serve`` with a home, a store and an environment of its own."""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

import puna

SOURCE = Path(puna.__file__).parents[1]
_MARK = "LC_PUNA_TESTS_MARK"
"""A variable in the environment of everything that tests start, by which its processes are found.

It looks like one of the language, which even runners inherit."""
_KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "COVERAGE_PROCESS_START")
_START_SECONDS = 60
T = TypeVar("T")


def wait_for(look: Callable[[], T], seconds: float = 60, what: str = "it") -> T:
    """Return the first true result of ``look``; fail when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (result := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} seconds for {what}; last seen: {result!r}")
        time.sleep(0.01)
    return result


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_runner(process: psutil.Process) -> bool:
    """Return whether a process has a model in memory, or is about to."""
    command = process.cmdline()
    return "puna.engine.embedded" in command or any(part.endswith("/llama-server") for part in command)


def is_end(item: Mapping[str, Any]) -> bool:
    """Return whether an object of a stream is its last: the end of an answer, of a task, or an error."""
    return bool(item.get("done") or item.get("status") == "success" or "error" in item)


class World:
    """A home, a temporary directory and a store that nothing outside the test sees."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        # Short, because the path of a unix socket has about a hundred bytes.
        self.root = Path(tempfile.mkdtemp(prefix="pt-"))
        self.home, self.temporary, self.models = self.root / "home", self.root / "tmp", self.root / "models"
        self.home.mkdir()
        self.temporary.mkdir()
        self.mark = secrets.token_hex(8)
        self.environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.environment |= {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(SOURCE),
            "PYTHONWARNINGS": "error::ResourceWarning",
            "OLLAMA_HOST": "127.0.0.1:0",
            "OLLAMA_MODELS": str(self.models),
            "OLLAMA_CONTEXT_LENGTH": "2048",  # one that tests can fill
            _MARK: self.mark,
        }
        self.environment |= settings or {}

    def processes(self) -> list[psutil.Process]:
        """Return everything that was started in this world and still runs."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(_MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def leftovers(self) -> list[str]:
        """Return what is left behind: processes, socket directories, unfinished files."""
        left = [f"process {process.pid}" for process in self.processes()]
        left += [str(path) for path in self.temporary.iterdir()]
        return left + [str(path) for path in self.models.rglob("puna-writing-*")]

    def run(self, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        """Run ``puna`` with these arguments and return how it went."""
        options: dict[str, Any] = {"stdin": subprocess.DEVNULL} if "input" not in more else {}
        return subprocess.run(
            [sys.executable, "-m", "puna", *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
            **(options | more),
        )

    def close(self) -> list[str]:
        """Remove everything and return what a program left behind."""
        with contextlib.suppress(AssertionError):  # what is ending may need a moment; what is left is told below
            wait_for(lambda: not self.leftovers(), 30)
        left = self.leftovers()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self.root, ignore_errors=True)
        return left


class Server:
    """One server; its requests go through ``get``, ``post``, ``delete`` and ``stream``."""

    command: tuple[str, ...] = ("-m", "puna", "serve", "--exit-with-stdin")
    """What Python runs. It ends when the tests do, however they end."""

    def __init__(self, world: World, files: int = 0, before: str = "") -> None:
        """``files`` is how many files it may have open, 0 as many as the tests; ``before`` is a command of the shell.

        The process that carries out the command becomes the server.
        """
        self.world = world
        self.faults_expected = False
        """Whether tracebacks in the log are part of the test."""
        self.patience = 60.0
        """Seconds for which an answer may take to begin, and to go on."""
        self.log_path = world.root / "log"
        commands = [*([f"ulimit -n {files}"] if files else []), *([before] if before else [])]
        limited = ["sh", "-c", "; ".join([*commands, 'exec "$0" "$@"'])] if commands else []
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*limited, sys.executable, *self.command],
                env=world.environment,
                cwd=world.home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        self.line = self._first_line()
        found = re.search(r"(https?)://(\S+):(\d+)", self.line)
        if found is None:
            self.process.wait(_START_SECONDS)
            self._close_pipes()
            raise AssertionError(f"the server did not start: {self.log()}")
        self.port = int(found[3])
        self.url = f"{found[1]}://127.0.0.1:{self.port}"
        self.session = requests.Session()
        self.session.trust_env = False

    def _first_line(self) -> str:
        return self.process.stdout.readline() if self.process.stdout else ""

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def log(self) -> str:
        """Return what the server has logged so far."""
        return self.log_path.read_text(errors="replace")

    def request(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Send one request; ``body`` is sent as JSON unless it is bytes."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        return self.session.request(method, self.url + path, data=data, timeout=self.patience, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        """Send a GET request."""
        return self.request("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Send a POST request."""
        return self.request("POST", path, body, **more)

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object that answers a POST request; anything but status 200 is a failure."""
        response = self.post(path, body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def stream(self, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the objects of a streamed answer."""
        with contextlib.closing(self.open_stream(path, body)) as lines:
            return list(lines)

    def open_stream(self, path: str, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Yield the objects of a streamed answer as they come; closing it closes the connection."""
        with (
            requests.Session() as session,
            session.post(self.url + path, json=body, stream=True, timeout=self.patience) as response,
        ):
            assert response.status_code == 200, response.text
            assert response.headers["content-type"] == "application/x-ndjson"
            ended = False
            for line in response.iter_lines():
                assert not ended, f"something follows the end: {line!r}"
                item = json.loads(line)
                ended = is_end(item)
                yield item
            assert ended, "the stream broke off without an end"

    def loaded(self) -> dict[str, dict[str, Any]]:
        """Return what ``/api/ps`` lists, by name."""
        return {entry["name"]: entry for entry in self.get("/api/ps").json()["models"]}

    def runners(self) -> list[psutil.Process]:
        """Return the processes that have a model in memory."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it may end while it is looked at
                if is_runner(child):
                    found.append(child)
        return found

    def blobs(self) -> set[str]:
        """Return the names of all files among the blobs."""
        directory = self.world.models / "blobs"
        return {path.name for path in directory.iterdir()} if directory.is_dir() else set()

    def kill(self) -> None:
        """End the server by SIGKILL."""
        self.process.kill()
        self._end()

    def stop(self) -> int:
        """End the server as a user would and return its status."""
        self.process.terminate()
        return self._end()

    def _end(self) -> int:
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            self.session.close()
            self._close_pipes()
