"""Ray on this machine: started as a child that ends with us, behind the cluster's token."""

import contextlib
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from puna.core_files import forbid_core_files
from puna.errors import PunaError
from puna.jobs.process import this_process
from puna.settings import Settings

NODE, INGRESS = "puna_node", "puna_ingress"
"""The resources of machines that have a node, and on which an ingress may run: those see the same models directory."""
_START_SECONDS = 120.0
_END_SECONDS = 45.0
_TRIES = 3
_POLL_SECONDS = 0.1
_STORE_BYTES = 256 << 20
"""Ray's shared memory: what crosses is small, and does not stay."""
_WORKER_PORTS = ["--min-worker-port=20000", "--max-worker-port=29999"]
"""Ray's own range has OLLAMA_HOST's usual port in it."""
_SLOW = "timed out during startup"
_STARTED = "Ray runtime started"
_TOKEN = re.compile(r"[\w-]{32,}")
_LOG_SHOWN = 1500


class ClusterError(PunaError):
    """Ray could not be started here, or has ended."""


class SlowStartError(ClusterError):
    """Ray's parts did not find each other in the time that it gives them."""


def token_of(settings: Settings, given: str = "") -> str:
    """Return the token that guards the cluster; it is kept in ``PUNA_HOME``, and made if there is none."""
    path = settings.home / "cluster" / "token"
    if given and not _TOKEN.fullmatch(given):
        raise ClusterError("a token has 32 letters and digits or more")
    if given or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(given or secrets.token_hex(24))
    return path.read_text().strip()


def environment(token: str) -> Mapping[str, str]:
    """Return the variables by which every part of Ray asks for the token, and keeps its usage to itself."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # else all of it, runners too, gives way to whatever else a machine does
        # A node that has gone is known by its broken connections at once, and without any after a few seconds.
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "2000",
        "RAY_health_check_failure_threshold": "3",
        # A machine that is busy takes longer to start a process than Serve waits for its proxy, which it then ends.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
        "RAY_SERVE_ENABLE_HA_PROXY": "0",  # it would hide who the clients are
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "puna.cluster.front:middlewares",
    }


def own_address() -> str:
    """Return the address by which other machines reach this one: that of its way out, as far as can be told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            address: str = probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
        return address


@contextlib.contextmanager
def ray_node(settings: Settings, token: str, arguments: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Give Ray's process on this machine, when it has started; it ends with the context.

    Raises ``ClusterError`` with what Ray says if it cannot start.
    """
    log = settings.home / "cluster" / "ray.log"
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    command += [f"--object-store-memory={_STORE_BYTES}", "--dashboard-agent-listen-port=0", *_WORKER_PORTS, *arguments]
    pid, own = settings.home / "cluster" / "pid", this_process()
    process = _begun(command, token, log)
    try:
        for left in reversed(range(_TRIES)):
            try:
                _wait(process, log)
                break
            except SlowStartError:
                if not left:
                    raise
                _end(process)
                process = _begun(command, token, log)
        pid.write_text(own)
        yield process
    finally:
        if pid.exists() and pid.read_text() == own:  # else it is that of another part of a cluster, which runs
            pid.unlink()
        _end(process)


def _begun(command: list[str], token: str, log: Path) -> "subprocess.Popen[bytes]":
    forbid_core_files()
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            env={**os.environ, **environment(token)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl + C is ours to pass on
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End Ray's parts here, each of which has a group of its own."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    for part in family:
        with contextlib.suppress(psutil.Error):
            part.kill()
    process.kill()
    process.wait()


def _wait(process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        text = log.read_text(errors="replace")
        if process.poll() is not None and _SLOW in text:
            raise SlowStartError(f"this machine is too busy for Ray to start; see {log}")
        if process.poll() is not None:
            raise ClusterError(f"Ray could not start here: {text.strip()[-_LOG_SHOWN:]}")
        if _STARTED in text:
            return
        time.sleep(_POLL_SECONDS)
    raise ClusterError(f"Ray did not start within {_START_SECONDS:g} seconds; see {log}")
