"""Servers that tests talk to. Everything that a test starts ends with it, and leaves nothing behind."""

import errno
import fcntl
import os
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import server as cluster
from tests.server import Server, World

Serve = Callable[..., Server]
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the developer's own settings and models out of every test."""
    for name in [name for name in os.environ if name.startswith(("OLLAMA_", "PUNA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A folder whose name is short enough for the sockets of runners (107 bytes), wherever pytest has its own."""
    with tempfile.TemporaryDirectory(prefix="pt-") as place:
        yield Path(place)


@pytest.fixture
def nfs_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``flock`` do as on NFS, where Linux makes it a lock that wants the file open for writing."""
    flock = fcntl.flock

    def lock(file: Any, how: int) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if is_file and how & fcntl.LOCK_EX and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock)


def _end(*servers: Server) -> None:
    for server in servers:
        server.stop()
    faults = [server.log() for server in servers if "Traceback" in server.log() and not server.faults_expected]
    left = [item for world in {server.world for server in servers} for item in world.close()]
    assert not left, f"servers left behind: {left}"
    assert not faults, f"a server met an error of its own:\n{faults[0][-6000:]}"


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """A server with default settings that many tests share; see ``server``."""
    if cluster.WANTED == "ray":
        several = cluster.ClusterServer()
        yield several
        several.stop()
        several.world.close()
        return
    server = Server(World())
    yield server
    _end(server)


@pytest.fixture
def server(shared_server: Server) -> Server:
    """A server with default settings. It outlives the test: make models under names of your own."""
    return shared_server


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that starts a server with other settings (environment variables), or in a world of an earlier one."""
    if cluster.WANTED == "ray":
        pytest.skip("a server with settings of its own is no cluster")
    servers: list[Server] = []

    def start(settings: dict[str, str] | None = None, *, world: World | None = None, files: int = 0) -> Server:
        servers.append(Server(world or World(settings), files))
        return servers[-1]

    yield start
    _end(*servers)


@pytest.fixture
def world() -> Iterator[World]:
    """A world without a server, for the command line."""
    made = World()
    yield made
    left = made.close()
    assert not left, f"commands left behind: {left}"
