"""The servers under measurement: Puna, llama.cpp's own, the portable engine alone."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.machine import processor_nanoseconds
from puna.engine.client import EngineClient
from puna.engine.config import RunnerConfig
from puna.engine.devices import on_processor
from puna.engine.engines import SERVER, about_of
from puna.engine.runner import Runner
from puna.scheduler.attention import SCORED_STEP, flash_attention
from puna.scheduler.tuned import UNTUNED
from puna.settings import Settings

WITHOUT = ("--flash-attn", "off", "--ubatch-size", str(SCORED_STEP))
"""How a llama-server or a llama-bench attends without flash attention, as Puna starts it."""
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.002
_CONTEXT = 4096
_SLOTS = 4


@dataclass(slots=True)
class PunaServer:
    """``puna serve`` with settings of its own; ``environment`` holds them. It can be stopped and started again."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    url: str = ""

    def start(self) -> float:
        """Start the server and return the seconds until it answered a request for its version."""
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        own = {
            "OLLAMA_HOST": f"127.0.0.1:{port}",
            "OLLAMA_MODELS": str(self.home / "models"),
            "PUNA_HOME": str(self.home / "puna"),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        self.home.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "puna", "serve", "--exit-with-stdin"],
            stdin=subprocess.PIPE,  # the server ends with this process, however that ends
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_without_settings(os.environ) | own | self.environment,
        )
        _wait(f"{self.url}/api/version", self.process)
        return time.perf_counter() - began

    def stop(self) -> None:
        """End the server as a user would, and wait for it."""
        if self.process is not None:
            _end(self.process)
            self.process = None

    @property
    def pid(self) -> int:
        """Return the id of the server's process."""
        if self.process is None:
            raise RuntimeError("the server does not run")
        return self.process.pid

    def resident(self) -> int:
        """Return the bytes of memory that the server's own process holds."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def processor_seconds(self) -> float:
        """Return how long the server's own process has computed."""
        return processor_nanoseconds(self.pid) / 1e9

    def runners(self) -> list[psutil.Process]:
        """Return the processes that the server has started."""
        return list(psutil.Process(self.pid).children(recursive=True))


@contextmanager
def puna(home: Path, **environment: str) -> Iterator[PunaServer]:
    """Run Puna with its models under ``home``."""
    server = PunaServer(home, environment)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def llama_server(
    binary: Path, model: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run llama.cpp's own server, with its defaults but for context, slots and ``options``; yield its address.

    ``environment`` is this process's own unless it is given. Weights are laid out as Puna has them laid out by the
    same program.
    """
    port = _free_port()
    command = [str(binary), "-m", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += [] if about_of(str(binary)).repack else ["--no-repack"]
    process = subprocess.Popen(
        [*command, "-c", str(_CONTEXT * _SLOTS), "-np", str(_SLOTS), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


@asynccontextmanager
async def portable_engine(model: Path) -> AsyncIterator[EngineClient]:
    """Run the portable engine as Puna's runners do, without Puna."""
    with tempfile.TemporaryDirectory(prefix="puna-bench-") as directory:
        config = RunnerConfig(
            model_path=str(model), context=_CONTEXT, parallel=_SLOTS, flash_attention=False, micro_batch=SCORED_STEP
        )
        runner = await Runner.start("bench", config, Path(directory), load_timeout=_START_SECONDS)
        try:
            yield runner.client
        finally:
            await runner.stop()


def layout(programs: Path) -> tuple[str, str]:
    """Return the option by which the llama-bench in a directory lays weights out as Puna does for its engine."""
    return "--repack", str(int(about_of(str(programs / SERVER)).repack))


def as_puna(binary: Path) -> tuple[str, ...]:
    """Return the options by which a llama-server attends and reads prompts as Puna has it do by default."""
    for_many = on_processor(str(binary)) and not about_of(str(binary)).attends
    attention = flash_attention(Settings.from_env({}), UNTUNED, kv_type="f16", for_many=for_many, whole_steps=False)
    return () if attention is None else WITHOUT


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the user's own settings: defaults are measured."""
    return {name: text for name, text in environment.items() if not name.startswith(("OLLAMA_", "PUNA_"))}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return as soon as ``url`` answers with 200; raise ``RuntimeError`` if the process ends, or takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=_START_SECONDS):
            return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not answer within {_START_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()
