"""A unix socket as the address: nobody but its owner reaches it, and it goes with the server."""

import http.client
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.keys.conftest import key_of
from tests.server import World

from puna.cli.errors import CommandError
from puna.cli.listener import listening
from puna.config.address import parse_address
from puna.errors import BadRequestError
from puna.settings import Settings


class Connection(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


@pytest.fixture
def path(world: World) -> Path:
    world.environment["OLLAMA_HOST"] = f"unix:{world.root}/s.sock"
    return world.root / "s.sock"


@pytest.fixture
def server(world: World, path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "puna", "serve", "--exit-with-stdin"]
    with subprocess.Popen(
        command, env=world.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout
        assert f"listens on unix:{path}," in process.stdout.readline()
        yield process
        process.terminate()


def test_requests_and_commands_reach_it(world: World, path: Path, server: "subprocess.Popen[str]") -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    connection = Connection(path)
    for host in ("localhost", "ollama.example", "anything"):
        connection.request("GET", "/api/version", headers={"Host": host})
        response = connection.getresponse()
        assert (response.status, b"version" in response.read()) == (200, True)
    connection.close()
    assert "cria:latest" in world.run("list").stdout
    assert world.run("run", "cria", "hi").stdout.strip()
    again = world.run("serve")
    assert (again.returncode, again.stderr) == (1, f"Error: {path} is in use (OLLAMA_HOST)\n")
    key_of(world, "ada")
    assert world.run("list").stderr.startswith("Error: unauthorized: the server asks for a key (OLLAMA_API_KEY)")
    server.terminate()
    server.wait(30)
    assert not path.exists()


def test_socket_of_a_server_that_was_killed_is_replaced(world: World, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "serve"], env=world.environment, stdout=subprocess.PIPE, encoding="utf-8"
    )
    with process:
        assert process.stdout and "listens on" in process.stdout.readline()
        assert "cria:latest" in world.run("list").stdout
        process.terminate()
    assert not path.exists()


def test_what_is_no_place_for_a_socket_is_one_line(world: World, path: Path) -> None:
    path.write_text("a file")
    done = world.run("serve")
    assert (done.returncode, path.read_text()) == (1, "a file")
    assert done.stderr.endswith(f"{path} is in use (OLLAMA_HOST)\n")
    with (
        pytest.raises(CommandError, match=r"cannot listen on /none/s\.sock: No such file"),
        listening(parse_address("unix:/none/s.sock")),
    ):
        pass


@pytest.mark.parametrize("address", ["unix:", "unix:relative", f"unix:/{'x' * 200}"])
def test_what_is_no_address_of_a_socket(address: str) -> None:
    with pytest.raises(BadRequestError, match="a unix socket is unix:/path"):
        parse_address(address)


def test_address_of_a_socket() -> None:
    address = parse_address(" unix:///run/puna.sock ")
    assert (address.path, address.is_loopback, address.url) == ("/run/puna.sock", True, "unix:/run/puna.sock")
    settings = Settings.from_env({"OLLAMA_HOST": "unix:/a b.sock", "PUNA_TLS_CERT": "/x"})
    assert settings.url == "unix:/a b.sock"
