"""Looks on from a process of its own: how long the server takes for what is innocent, and what memory is used.

Beside each look at the server stands one at a process that does nothing else than answer: what that one is late by too
is the machine's doing.
"""

import contextlib
import http.client
import json
import multiprocessing
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from multiprocessing.connection import Connection
from typing import Any

import psutil
from tests.attack.bodies import BESIDE, TARGET
from tests.server import is_runner

_EVERY = 0.05
_ASK_EVERY = 2.0
_SAMPLE_EVERY = 0.5
_MOST = 90.0
_MARGIN = 768 << 20
"""The default of ``PUNA_MEMORY_MARGIN``."""
_TRIAL = 2 << 30
"""What a template inside a file is tried within."""
_LATE, _VERY_LATE = 0.1, 0.3


@dataclass
class Sight:
    """What was seen. Times are in seconds, memory in bytes."""

    version: list[tuple[float, float, float]] = field(default_factory=list)
    """When, how long ``/api/version`` took, and how long the process beside it took then."""
    innocent: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {TARGET: [], BESIDE: []})
    """By model: when, and how long a short chat took."""
    failed: list[str] = field(default_factory=list)
    server_memory: int = 0
    runner_memory: int = 0
    over_plan: int = -(1 << 62)
    """The most that a runner took beyond its bound in two samples, one after the other."""

    def late(self, least: float, most: float = float("inf")) -> list[tuple[float, float, float]]:
        """Return the looks that took so long, and longer than the process beside the server explains."""
        return [look for look in self.version if least < look[1] <= most and look[1] - look[2] > least / 2]

    def summary(self) -> list[str]:
        """Return lines that tell what was seen."""
        times = sorted(look[1] for look in self.version)
        beside = sorted(look[2] for look in self.version)
        lines = [
            f"/api/version, {len(times)} times: {_spread(times)}; a process that does nothing: {_spread(beside)}; over "
            f"100 ms {sum(one > _LATE for one in times)} times (the process {sum(one > _LATE for one in beside)}), of "
            f"these by the server {len(self.late(_LATE, _VERY_LATE))} up to 300 ms and {len(self.late(_VERY_LATE))} "
            "beyond"
        ]
        for model, asked in self.innocent.items():
            lines.append(f"innocent chats of {model}, {len(asked)} times: {_spread(sorted(took for _, took in asked))}")
        lines.append(
            f"memory: server {self.server_memory / 1e6:.0f} MB, a runner at most {self.runner_memory / 1e6:.0f} MB, "
            f"{-self.over_plan / 1e6:.0f} MB below its bound"
        )
        return lines


def _spread(times: list[float]) -> str:
    if not times:
        return "never"
    part = [times[int((len(times) - 1) * share)] * 1000 for share in (0.5, 0.99, 1)]
    return "median {:.0f}, 99 % {:.0f}, longest {:.0f} ms".format(*part)


class Watch:
    """Watches as long as the context lasts; ``sight`` is there afterwards."""

    def __init__(self, port: int, pid: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        echo_here, echo_there = context.Pipe()
        self._echo = context.Process(target=_answer, args=(echo_there,), daemon=True)
        self._process = context.Process(target=_look_on, args=(there, echo_here, port, pid), daemon=True)
        self.sight = Sight()

    def __enter__(self) -> "Watch":
        """Start to look."""
        self._echo.start()
        self._process.start()
        self._here.recv()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and take over what was seen."""
        self._here.send("stop")
        if self._here.poll(_MOST + 10):
            self.sight = self._here.recv()
        else:
            self.sight.failed.append("whoever looked on did not come back")
        for process in (self._process, self._echo):
            process.terminate()
            process.join()


def _answer(pipe: Connection) -> None:
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(pipe.recv())


def _look_on(pipe: Connection, echo: Connection, port: int, pid: int) -> None:
    sight, done = Sight(), threading.Event()
    jobs = [
        threading.Thread(target=_ask_version, args=(sight, done, port, echo)),
        threading.Thread(target=_ask_chat, args=(sight, done, port, TARGET)),
        threading.Thread(target=_ask_chat, args=(sight, done, port, BESIDE)),
        threading.Thread(target=_weigh, args=(sight, done, port, pid)),
    ]
    for job in jobs:
        job.start()
    pipe.send("ready")
    pipe.recv()
    done.set()
    for job in jobs:
        job.join()
    pipe.send(sight)


def _call(port: int, method: str, path: str, body: Any = None, seconds: float = _MOST) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    with contextlib.closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def _ask_version(sight: Sight, done: threading.Event, port: int, echo: Connection) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_MOST)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    began = time.monotonic()
    while not done.wait(_EVERY):
        at = time.monotonic()
        echo.send("?")
        try:
            connection.request("GET", "/api/version")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            sight.failed.append(f"/api/version: {error!r}")
            connection.close()
        took = time.monotonic() - at
        # Asked before and read after: what holds this process holds both.
        echo.recv()
        again = time.monotonic()
        echo.send("?")
        echo.recv()
        sight.version.append((at - began, took, time.monotonic() - again))


def _ask_chat(sight: Sight, done: threading.Event, port: int, model: str) -> None:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
        "options": {"num_predict": 2},
    }
    began = time.monotonic()
    while not done.wait(_ASK_EVERY):
        at = time.monotonic()
        try:
            status, answer = _call(port, "POST", "/api/chat", body)
            if status != 200 or not answer.get("done"):
                sight.failed.append(f"an innocent chat of {model}: {status} {answer}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            sight.failed.append(f"an innocent chat of {model}: {error!r}")
        sight.innocent[model].append((at - began, time.monotonic() - at))


def _weigh(sight: Sight, done: threading.Event, port: int, pid: int) -> None:
    """Look at the memory of the server and of what it runs.

    A runner may take what is planned for it, of which ``/api/ps`` tells the largest, and the margin. One whose time is
    bounded tries a template.
    """
    server = psutil.Process(pid)
    plan = 0
    before: dict[int, int] = {}
    while not done.wait(_SAMPLE_EVERY):
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            status, answer = _call(port, "GET", "/api/ps")
            if status == HTTPStatus.OK:
                plan = max([plan, *(entry["size"] for entry in answer["models"])])
            else:
                sight.failed.append(f"/api/ps: {status} {answer}")
        now: dict[int, int] = {}
        bound: dict[int, int] = {}
        with contextlib.suppress(psutil.Error):
            sight.server_memory = max(sight.server_memory, server.memory_info().rss)
            for child in server.children():
                with contextlib.suppress(psutil.Error):
                    if is_runner(child):
                        memory = child.memory_info()
                        now[child.pid] = memory.rss - memory.shared
                        bound[child.pid] = _TRIAL if _is_bounded(child) else plan + _MARGIN
        sight.runner_memory = max([sight.runner_memory, *now.values()])
        beyond = [min(size, before.get(number, 0)) - bound[number] for number, size in now.items()]
        sight.over_plan = max([sight.over_plan, *beyond])
        before = now


def _is_bounded(process: psutil.Process) -> bool:
    """Return whether there is a limit to how long a process may compute."""
    return sys.platform == "linux" and process.rlimit(psutil.RLIMIT_CPU)[0] != psutil.RLIM_INFINITY
