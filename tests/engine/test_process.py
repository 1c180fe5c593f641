"""A child is started and waited for off the event loop, and none is left that nobody waits for."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop
from tests.server import wait_for

from puna import builtin
from puna.engine.config import RunnerConfig
from puna.engine.native import UnusableEngineError
from puna.engine.place import Place
from puna.engine.process import Process
from puna.engine.runner import Runner
from puna.models.library import Library

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def _threads_of(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return where the threads will stand that call a function."""
    threads: list[int] = []
    function = getattr(owner, name)

    def recorded(*args: Any, **kwargs: Any) -> None:
        threads.append(threading.get_ident())
        function(*args, **kwargs)

    monkeypatch.setattr(owner, name, recorded)
    return threads


@pytest.fixture
def spawning_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return _threads_of(subprocess.Popen, "__init__", monkeypatch)


@pytest.fixture
def removing_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return _threads_of(Place, "remove", monkeypatch)


async def test_what_a_load_that_fails_leaves_is_not_removed_by_the_thread_of_the_loop(
    removing_threads: list[int], tmp_path: Path
) -> None:
    with pytest.raises(UnusableEngineError):
        await Runner.start("x", RunnerConfig(model_path="x", context=8, engine="none"), tmp_path, load_timeout=60)
    assert removing_threads
    assert threading.get_ident() not in removing_threads
    assert not list(tmp_path.iterdir())


def test_a_runner_is_neither_started_nor_tidied_up_by_the_thread_of_the_loop(
    spawning_threads: list[int], removing_threads: list[int]
) -> None:
    cria = Library(builtin.STORE).get(builtin.CRIA)

    async def load() -> None:
        config = RunnerConfig(model_path=str(cria.path), context=256)
        with tempfile.TemporaryDirectory(prefix="pt-") as directory:  # a short path, as a socket's must be
            runner = await Runner.start("cria", config, Path(directory), load_timeout=60)
            await runner.stop()

    uvloop.run(load())
    assert len(spawning_threads) == 1  # so nothing else has spawned it either
    assert removing_threads
    assert threading.get_ident() not in spawning_threads + removing_threads


async def test_no_child_is_left_when_nobody_waits_for_it(spawning_threads: list[int]) -> None:
    before = set(psutil.Process().children())
    starting = asyncio.create_task(Process.start(SLEEP, {}))
    await asyncio.sleep(0)  # the thread is about to start it
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert spawning_threads
    wait_for(lambda: not set(psutil.Process().children()) - before, what="the end of the child")


async def test_a_child_shares_the_session_by_which_linux_gives_out_processors_but_not_the_interrupts() -> None:
    process = await Process.start(SLEEP, {})
    session, group = os.getsid(process.pid), os.getpgid(process.pid)
    process.kill()
    await process.wait()
    assert session == os.getsid(0)
    assert group == process.pid != os.getpgid(0)


async def test_a_program_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Process.start([str(tmp_path / "none")], {})


async def test_what_is_told_arrives_whole_and_the_end_has_a_status() -> None:
    long = "x" * 1_000_000  # far more than a pipe holds
    count = "import sys, time; time.sleep(0.2); print(len(sys.stdin.readline()), file=sys.stderr); sys.exit(3)"
    process = await Process.start([sys.executable, "-c", count], {})
    await process.tell(f"{long}\n")
    assert await process.stderr.readline() == b"1000001\n"
    await process.wait()
    assert process.returncode == 3
    with pytest.raises(ConnectionError):
        await process.tell("more\n")


async def test_a_killed_child_ends_by_a_signal() -> None:
    process = await Process.start(SLEEP, {})
    process.kill()
    await process.wait()
    assert process.returncode == -9
    assert await process.stderr.read() == b""
