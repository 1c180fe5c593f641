"""One process with one model in memory: start, health, stop and crash."""

import asyncio
import collections
import contextlib
import json
import logging
import os
import re
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from puna.engine import native
from puna.engine.client import EngineClient, wait_until_healthy
from puna.engine.config import STOP, RunnerConfig
from puna.engine.engine_files import EngineFiles
from puna.engine.environment import environment
from puna.engine.errors import ModelLoadError, RunnerCrashedError
from puna.engine.place import Place
from puna.engine.progress import LoadProgress
from puna.engine.words import clean, last_words, told

_STOP_SECONDS = 3.0
_CRASH_SECONDS = 0.5
_REMEMBERED_LINES = 40
_OUT_OF_MEMORY = re.compile(
    r"out of memory|insufficient memory|bad_alloc|cannot allocate|failed to allocate", re.IGNORECASE
)
_LOOKS_PER_LIMIT, _LONGEST_PAUSE = 8, 5.0
_ERROR_LEVEL = " E "  # the engine's log line: a clock, a level letter, the part of the program


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may take in all: seconds of the processor, and bytes of memory that is its own."""

    processor_seconds: int
    memory: int

    def impose(self, pid: int) -> None:
        """Bind a child process, where the system can (Linux). It is killed, or gets no memory, beyond."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # it has ended
                seconds = self.processor_seconds
                resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds + 1))
                resource.prlimit(pid, resource.RLIMIT_DATA, (self.memory, self.memory))
                resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


class Runner:
    """A child process that serves one model on a unix socket; make one with ``start``.

    Its socket lies in a place of its own, which goes with the process.
    """

    def __init__(
        self,
        name: str,
        config: RunnerConfig,
        process: asyncio.subprocess.Process,
        client: EngineClient,
        place: Place,
    ) -> None:
        self.name = name
        self.config = config
        self._place = place
        self.client = client
        self.started_at = time.monotonic()
        self._process = process
        self._files = EngineFiles(config)
        self._lines: collections.deque[str] = collections.deque(maxlen=_REMEMBERED_LINES)
        self._log = logging.getLogger(f"puna.runner.{name}")
        self._output = asyncio.create_task(self._read_output())

    @classmethod
    async def start(
        cls,
        name: str,
        config: RunnerConfig,
        directory: Path,
        *,
        load_timeout: float,
        debug: bool = False,
        limits: Limits | None = None,
    ) -> Self:
        """Load a model in a new process and return when it answers; its socket is somewhere under ``directory``.

        ``load_timeout`` is how many seconds the load may stand still. Raises ``ModelLoadError`` with the engine's
        reason; nothing is left then.
        """
        files = await EngineFiles.open(config)
        place = Place(directory)
        key = secrets.token_urlsafe(24)
        try:
            if config.engine:
                await files.fill()
            process = await _start_process(files, place, key, debug)
        except BaseException:
            files.close()
            place.remove()
            raise
        if limits:
            limits.impose(process.pid)
        runner = cls(name, config, process, EngineClient.connect(place.socket, key), place)
        runner._files = files
        try:
            try:
                if not config.engine:
                    await files.fill()  # while it starts, before it is told what to load
            finally:
                files.close()  # the process has them open
            await runner._load({"socket": str(place.socket), "key": key, "debug": debug}, load_timeout)
        except BaseException:
            if runner.alive:
                runner.kill()  # it may stand still, and has nothing yet to end in order
            await runner.stop()
            raise
        return runner

    async def _load(self, start: dict[str, object], seconds: float) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise ModelLoadError(f"the runner of {self.name} has no standard input")
        if not self.config.engine:
            # A process that died at once is reported below. RuntimeError is what uvloop raises for a pipe that is
            # closed.
            with contextlib.suppress(ConnectionError, RuntimeError):
                stdin.write(f"{json.dumps(start)}\n{self._files.config.to_json()}\n".encode())
                await stdin.drain()
        healthy = asyncio.create_task(wait_until_healthy(self.client))
        exited = asyncio.create_task(self._process.wait())
        stalled = asyncio.create_task(self._stall(seconds))
        tasks = {healthy, exited, stalled}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if done == {stalled}:
            raise ModelLoadError(
                f"model {self.name} did not load in time (OLLAMA_LOAD_TIMEOUT is {seconds:g} seconds)",
                killed=True,
            )
        if healthy not in done:
            await self._output
            raise ModelLoadError(
                f"model {self.name} failed to load: {self._reason()}",
                out_of_memory=any(_OUT_OF_MEMORY.search(line) for line in self._lines),
                killed=self._process.returncode == -signal.SIGKILL or self.exceeded_time,
            )

    async def _stall(self, seconds: float) -> None:
        """Return when the load stands still for so long, or takes far too long in all."""
        progress = LoadProgress(seconds, time.monotonic())
        while True:
            await asyncio.sleep(min(seconds / _LOOKS_PER_LIMIT, _LONGEST_PAUSE))
            if progress.stalled(time.monotonic(), self.processor_seconds(), self.memory()):
                return

    async def _read_output(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # a line longer than the stream's buffer; its head was dropped
                continue
            if not line:
                return
            text = clean(line.decode(errors="replace"))
            self._lines.append(text)
            self._log.info("%s", text)

    def _reason(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:  # what it said before has nothing to do with it
            words = last_words(self._lines)
            return f"the process was ended by signal {-code}{words and f': {words}'}"
        errors = [told(line.partition(_ERROR_LEVEL)[2]) for line in self._lines if _ERROR_LEVEL in line]
        if errors:
            return "; ".join(dict.fromkeys(errors[:3]))
        return told(self._lines[-1]) if self._lines else f"the process ended with status {code}"

    @property
    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.returncode is None

    @property
    def exceeded_time(self) -> bool:
        """Return whether the process was ended because it computed longer than its limit."""
        return self._process.returncode == -signal.SIGXCPU

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def memory(self) -> int:
        """Return the bytes of memory that the process holds now (its resident set)."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def private_memory(self) -> int:
        """Return the bytes that nobody else could use, which files that are mapped are not."""
        try:
            info = psutil.Process(self.pid).memory_info()
        except psutil.Error:
            return 0
        # An anonymous file counts as shared, but nobody else has it.
        return int(info.rss - getattr(info, "shared", 0)) + self._files.in_memory

    def processor_seconds(self) -> float:
        """Return how long the process has computed."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def kill(self) -> None:
        """End the process and all that it started, at once; ``stop`` is still to be called."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def crash_error(self) -> RunnerCrashedError:
        """Return the error for a request that this runner cannot answer any more."""
        with contextlib.suppress(TimeoutError):  # its connections may end a moment before it does
            await asyncio.wait_for(self._process.wait(), _CRASH_SECONDS)
        code = self._process.returncode
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._output), _CRASH_SECONDS)
        how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
        words = last_words(self._lines)
        return RunnerCrashedError(f"the runner of model {self.name} ended unexpectedly ({how}{words and f': {words}'})")

    def on_exit(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when the process has ended, however it ended."""
        task = asyncio.create_task(self._process.wait())
        task.add_done_callback(lambda task: None if task.cancelled() else callback())
        self._exit_watch = task

    async def stop(self) -> None:
        """End the process, by force if it does not end by itself, and wait for it."""
        await self.client.close()
        if self.config.engine:
            self.kill()  # nothing is left to do for it, and its own way to end waits for the step under way
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            with contextlib.suppress(ConnectionError, RuntimeError):
                stdin.write(f"{STOP}\n".encode())
            stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        await self._output
        self._place.remove()


async def _start_process(files: EngineFiles, place: Place, key: str, debug: bool) -> asyncio.subprocess.Process:
    config = files.config
    if config.engine:
        place.watch()
        place.make()
        command = await asyncio.to_thread(native.command, config, str(place.socket), debug=debug)
    else:
        command = [sys.executable, "-m", "puna.engine.embedded"]  # which makes the directory once it is told of it
    return await asyncio.create_subprocess_exec(
        *command,
        env=environment(key if config.engine else ""),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=files.descriptors,
        start_new_session=True,  # a Ctrl-C for the server must not reach its runners first
    )
