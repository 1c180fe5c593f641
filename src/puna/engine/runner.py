"""One process with one model in memory: start, health, stop and crash."""

import asyncio
import collections
import contextlib
import json
import logging
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

from puna.engine import native
from puna.engine.client import EngineClient, wait_until_healthy
from puna.engine.config import STOP, RunnerConfig
from puna.engine.engine_files import EngineFiles
from puna.engine.environment import environment
from puna.engine.errors import ModelLoadError, RunnerCrashedError
from puna.engine.load_check import check_load
from puna.engine.memory_limit import limit_memory, limit_processor
from puna.engine.place import Place
from puna.engine.process import Process
from puna.engine.progress import LoadProgress
from puna.engine.reasons import is_fault_of_files, is_memory, reason_of
from puna.engine.vllm import program as vllm
from puna.engine.vllm.client import VllmClient
from puna.engine.words import clean, last_words, without_content
from puna.models.loadable import UnloadableError
from puna.models.registry.threads import in_thread

_STOP_SECONDS = 3.0
_CRASH_SECONDS = 3.0
_REMEMBERED_LINES = 40
_LOOKS_PER_LIMIT, _LONGEST_PAUSE = 8, 5.0


class Runner:
    """A child process that serves one model on a unix socket; make one with ``start``.

    Its socket lies in a place of its own, which goes with the process.
    """

    def __init__(
        self,
        name: str,
        config: RunnerConfig,
        process: Process,
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
        self._says_little = False
        """Whether requests are answered, whose words no line of the log may have."""
        self._output = asyncio.create_task(self._read_output())

    @classmethod
    async def start(
        cls,
        name: str,
        config: RunnerConfig,
        directory: Path,
        *,
        load_timeout: float,
        memory: int = 0,
        processor_seconds: int = 0,
        debug: bool = False,
    ) -> Self:
        """Load a model in a new process and return when it answers; its socket is somewhere under ``directory``.

        ``load_timeout`` is how many seconds the load may stand still, ``memory`` how many bytes of its own the process
        may ask for and ``processor_seconds`` how long it may compute (0: any number), where the system can hold it to
        that. Raises ``ModelLoadError`` with the engine's
        reason; nothing is left then.
        """
        files = await EngineFiles.open(config)
        place = Place(directory)
        key = secrets.token_urlsafe(24)
        process: Process | None = None
        try:
            if config.engine:
                await _fill(name, files)
            process = await _start_process(files, place, key, debug)
        except BaseException:
            if process:
                process.kill()
            files.close()
            await in_thread(place.remove)
            raise
        limit_memory(process.pid, memory)
        limit_processor(process.pid, processor_seconds)
        client = VllmClient if vllm.is_vllm(config.engine) else EngineClient
        runner = cls(name, config, process, client.connect(place.socket, key), place)
        if isinstance(runner.client, VllmClient):
            runner.client.context = config.context
        runner._files = files
        try:
            try:
                if not config.engine:
                    await _fill(name, files)  # while it starts, before it is told what to load
            finally:
                files.close()  # the process has them open
            await runner._load({"socket": str(place.socket), "key": key, "debug": debug}, load_timeout)
            runner._says_little = not debug
        except BaseException:
            if runner.alive:
                runner.kill()  # it may stand still, and has nothing yet to end in order
            await runner.stop()
            raise
        return runner

    async def _load(self, start: dict[str, object], seconds: float) -> None:
        if not self.config.engine:
            with contextlib.suppress(ConnectionError):  # a process that died at once is reported below
                await self._process.tell(f"{json.dumps(start)}\n{self._files.config.to_json()}\n")
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
            raise await self._failure()

    async def _failure(self) -> ModelLoadError:
        """Return why the process has ended before the model was loaded."""
        lines, code = list(self._lines), self._process.returncode or 0
        at_fault, reason = is_fault_of_files(lines), reason_of(lines, code)
        if vllm.is_vllm(self.config.engine):
            return ModelLoadError(f"model {self.name} failed to load: {reason}", out_of_memory=is_memory(lines))
        if not (at_fault or is_memory(lines) or code == -signal.SIGKILL):  # a fault of the files, if it is one always
            try:
                await asyncio.to_thread(check_load, self.config.files)
            except UnloadableError as error:
                at_fault, reason = True, str(error)
        return ModelLoadError(
            f"model {self.name} failed to load: {reason}",
            out_of_memory=is_memory(lines),
            killed=code in (-signal.SIGKILL, -signal.SIGXCPU) and not at_fault,
            files_at_fault=at_fault,
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
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # a line longer than the stream's buffer; its head was dropped
                continue
            if not line:
                return
            text = clean(line.decode(errors="replace"))
            self._lines.append(text)
            if logged := without_content(text) if self._says_little else text:
                self._log.info("%s", logged)

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
        self._process.kill()

    async def crash_error(self) -> RunnerCrashedError:
        """Return the error for a request that this runner cannot answer any more."""
        with contextlib.suppress(TimeoutError):  # its connections may end a moment before it does
            async with asyncio.timeout(_CRASH_SECONDS):
                await self._process.wait()
        code = self._process.returncode
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CRASH_SECONDS):
                await asyncio.shield(self._output)
        error = RunnerCrashedError(f"the runner of model {self.name} {_ending(code, last_words(self._lines))}")
        error.signal = max(0, -code) if code is not None else 0
        return error

    def on_exit(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when the process has ended, however it ended."""
        task = asyncio.create_task(self._process.wait())
        task.add_done_callback(lambda task: None if task.cancelled() else callback())
        self._exit_watch = task

    async def stop(self) -> None:
        """End the process, by force if it does not end by itself, and wait for it; its directory goes in any case."""
        try:
            await self.client.close()
            if self.config.engine:
                self.kill()  # nothing is left to do for it, and its own way to end waits for the step under way
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    with contextlib.suppress(ConnectionError):
                        await self._process.tell(f"{STOP}\n")
                    self._process.close()
                    await self._process.wait()
            except TimeoutError:
                self.kill()
                await self._process.wait()
            await asyncio.wait({self._output})  # it is cancelled where a server must end at once
        finally:
            await in_thread(self._place.remove)  # a busy disk can hold this up for a second


async def _start_process(files: EngineFiles, place: Place, key: str, debug: bool) -> Process:
    config = files.config
    if config.engine:
        command = await in_thread(_command, config, place, debug)
    else:
        command = [sys.executable, "-m", "puna.engine.embedded"]  # which makes the directory once it is told of it
    return await Process.start(command, await in_thread(_environment, config, key, place), files.descriptors)


def _command(config: RunnerConfig, place: Place, debug: bool) -> list[str]:
    place.watch()
    place.make()
    write = vllm.command if vllm.is_vllm(config.engine) else native.command
    return write(config, str(place.socket), debug=debug)


async def _fill(name: str, files: EngineFiles) -> None:
    """Do what ``EngineFiles.fill`` does; raise ``ModelLoadError`` for a header that no engine can load."""
    try:
        await files.fill()
    except UnloadableError as error:
        raise ModelLoadError(f"model {name} failed to load: {error}", files_at_fault=True) from None


def _environment(config: RunnerConfig, key: str, place: Place) -> dict[str, str]:
    if vllm.is_vllm(config.engine):
        return environment() | vllm.environment(config, key, place.path)
    return environment(key if config.engine else "")


def _ending(code: int | None, words: str) -> str:
    """Return how a process ended by its exit code (``None``: its connections broke alone) and its last words."""
    if code is None:
        return f"broke off its connections{words and f' ({words})'}"
    how = f"by signal {-code}" if code < 0 else f"with status {code}"
    return f"ended unexpectedly ({how}{words and f': {words}'})"
