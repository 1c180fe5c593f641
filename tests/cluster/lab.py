"""A cluster of real Ray nodes on this machine: each with its own store, in a network of its own where that may be."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests
from tests.server import SOURCE, free_port, wait_for

MACHINES = int(os.environ.get("PUNA_TEST_MACHINES", "2"))
"""How many machines join the first where many tests share a lab."""
_NET = "10.77"
_START_SECONDS = 500


def can_have_networks() -> bool:
    """Return whether this machine lets us make network namespaces."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


@dataclass(eq=False)
class Machine:
    """One machine of the lab: its process, its home and its address."""

    name: str
    address: str
    root: Path
    process: "subprocess.Popen[str]"
    namespace: str = ""

    def processes(self, part: str) -> list[psutil.Process]:
        """Return the processes on it with these words in what they call themselves."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if part in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def log(self) -> str:
        """Return what its command has said."""
        return (self.root / "log").read_text(errors="replace")


@dataclass(eq=False)
class Lab:
    """A head and more machines. Use it as a context manager: everything ends with it."""

    settings: dict[str, str] = field(default_factory=dict)
    config: str = ""
    """The file of settings of each machine."""
    machines: list[Machine] = field(default_factory=list)

    def __enter__(self) -> "Lab":
        self._stack = contextlib.ExitStack()
        self._started = 0
        self.root = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pl-", ignore_cleanup_errors=True))
        )
        self._net = f"{_NET}.{secrets.randbelow(250) + 1}"
        self._bridge = f"pl{secrets.token_hex(3)}"
        self.has_networks = can_have_networks()
        if self.has_networks:
            self._ip("link", "add", self._bridge, "type", "bridge")
            self._stack.callback(self._ip, "link", "del", self._bridge)
            self._ip("addr", "add", f"{self._net}.1/24", "dev", self._bridge)
            self._ip("link", "set", self._bridge, "up")
        (self.root / "config.toml").write_text(self.config, encoding="utf-8")
        self.port, self.http = free_port(), free_port()
        while 10001 <= self.port < 30000:  # which Ray has for other things
            self.port = free_port()
        self.token = secrets.token_hex(24)
        head = f"{self._net}.1" if self.has_networks else "127.0.0.1"
        self.url = f"http://127.0.0.1:{self.http}"
        self.join_address = f"{head}:{self.port}"
        self._head_arguments = ["cluster", "start", f"--port={self.port}", f"--address={head}"]
        try:
            self.machines.append(self._start("head", head, "", self._head_arguments, "listens on"))
        except BaseException:
            self.__exit__()
            raise
        self.session = requests.Session()
        return self

    def __exit__(self, *_: object) -> None:
        for machine in reversed(self.machines):
            self.end(machine)
        self._stack.close()

    @property
    def head(self) -> Machine:
        return self.machines[0]

    def add(self, count: int = 1, **settings: str) -> list[Machine]:
        """Let more machines join; they do so side by side."""
        new = [self.start(**settings) for _ in range(count)]
        self.wait_joined(new)
        return new

    def start(self, **settings: str) -> Machine:
        """Start another machine, without waiting for it to have joined."""
        number = self._started = self._started + 1
        address, namespace = "127.0.0.1", ""
        if self.has_networks:
            address, namespace = f"{self._net}.{number + 1}", f"{self._bridge}-{number}"
            self._network(namespace, f"{self._bridge}v{number}", address)
        arguments = ["cluster", "join", self.join_address, f"--address={address}"]
        machine = self._start(f"node{number}", address, namespace, arguments, "", settings)
        self.machines.append(machine)
        return machine

    def wait_joined(self, machines: list[Machine]) -> None:
        """Wait until machines have joined, and the cluster is whole."""
        for machine in machines:
            self._wait(machine, "has joined")
        wait_for(lambda: len(self.nodes()) >= len(self.machines), _START_SECONDS, "all nodes")

    def restart_head(self) -> None:
        """Cut the first machine's power, and start it again as it was."""
        head = self.head
        self.crash(head)
        # As the start of a machine does: Ray remembers there that it runs. What else is there is of the others too, as
        # Ray gives all machines the paths of the first, and here they share a disk.
        (head.root / "tmp/ray/ray_current_cluster").unlink()
        self.machines.insert(0, self._start("head", head.address, "", self._head_arguments, "listens on"))

    def nodes(self) -> list[dict[str, Any]]:
        """Return what ``puna cluster status`` tells of the nodes."""
        response = self.session.get(f"{self.url}/api/puna/cluster", timeout=30)
        assert response.status_code == 200, response.text
        nodes: list[dict[str, Any]] = response.json()["nodes"]
        return nodes

    def run(self, *arguments: str, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a command of Puna against the cluster."""
        return subprocess.run(
            [sys.executable, "-m", "puna", *arguments],
            env=self._environment(self.head.root, {}) | {"OLLAMA_HOST": self.url},
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    def end(self, machine: Machine) -> None:
        """End a machine as its user would, and be sure of it."""
        family = []
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(machine.process.pid).children(recursive=True)
        with contextlib.suppress(psutil.Error):
            machine.process.send_signal(signal.SIGTERM)
            machine.process.wait(60)
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def crash(self, machine: Machine) -> None:
        """End everything on a machine at once, as a power cut does."""
        family = [psutil.Process(machine.process.pid)]
        family += family[0].children(recursive=True)
        if machine.namespace:
            self._ip("-n", machine.namespace, "link", "set", "eth0", "down")
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        machine.process.wait()
        self.machines.remove(machine)

    def _start(
        self,
        name: str,
        address: str,
        namespace: str,
        arguments: list[str],
        until: str,
        settings: dict[str, str] | None = None,
    ) -> Machine:
        root = self.root / name
        (root / "tmp").mkdir(parents=True, exist_ok=True)
        before = ["ip", "netns", "exec", namespace] if namespace else []
        with (root / "log").open("wb") as log:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "puna", *arguments],
                env=self._environment(root, settings or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
            )
        machine = Machine(name, address, root, process, namespace)
        if until:
            try:
                self._wait(machine, until)
            except BaseException:
                self.end(machine)
                raise
        return machine

    def _wait(self, machine: Machine, words: str) -> None:
        wait_for(lambda: words in machine.log() or machine.process.poll() is not None, _START_SECONDS, words)
        assert machine.process.poll() is None, machine.log()

    def _environment(self, root: Path, settings: dict[str, str]) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "TMPDIR": str(root / "tmp"),
            "PYTHONPATH": str(SOURCE),
            "OLLAMA_HOST": f"127.0.0.1:{self.http}",
            "OLLAMA_MODELS": str(root / "models"),
            "PUNA_CLUSTER_TOKEN": self.token,
            "PUNA_CONFIG": str(self.root / "config.toml"),
            **self.settings,
            **settings,
        }

    def _network(self, namespace: str, link: str, address: str) -> None:
        self._ip("netns", "add", namespace)
        self._stack.callback(self._ip, "netns", "del", namespace)
        self._ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        self._ip("link", "set", link, "master", self._bridge, "up")
        for words in (
            ("addr", "add", f"{address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            self._ip("-n", namespace, *words)

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)
