"""A cluster in the place of the servers of tests, where ``PUNA_TEST_CLUSTER`` asks for it.

With ``local`` every server answers through nodes in its process (``serve``); with ``ray`` the one that tests share is a
cluster of one machine, and tests that want a server of their own are skipped.
"""

import contextlib
import os
import secrets
from pathlib import Path

import psutil
import pytest
from tests.server import Server, World, free_port

WANTED = os.environ.get("PUNA_TEST_CLUSTER", "")
"""Read once, since tests take such settings out of the environment."""
if WANTED == "local":
    Server.command = (str(Path(__file__).with_name("serve.py")), "--exit-with-stdin")
reads_late = pytest.mark.skipif(WANTED == "ray", reason="Serve's proxy reads a body before the ingress has a say")
"""For tests of what is answered before a body has come."""
of_serve = pytest.mark.skipif(WANTED == "ray", reason="the command puna serve says so")
"""For tests of what that command says, or of its process."""
_RAYS_OWN = range(10001, 30000)


class ClusterServer(Server):
    """See ``Server``. Ingress and node log to a file, and not where the command does."""

    def __init__(self) -> None:
        port = free_port()
        while port in _RAYS_OWN:
            port = free_port()
        self.command = ("-m", "puna", "cluster", "start", f"--port={port}", "--address=127.0.0.1")
        settings = {"OLLAMA_HOST": f"127.0.0.1:{free_port()}", "PUNA_CLUSTER_TOKEN": secrets.token_hex(24)}
        world = World(settings)
        self._parts_log = world.root / "parts.log"
        world.environment["PUNA_LOG_FILE"] = str(self._parts_log)
        super().__init__(world)
        self.patience = 180.0

    def log(self) -> str:
        """Return what the command, the ingress and the node have logged so far."""
        parts = self._parts_log.read_text(errors="replace") if self._parts_log.exists() else ""
        return super().log() + parts

    def runners(self) -> list[psutil.Process]:
        """Return the processes that have a model in memory: here children of the node."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "puna.engine.embedded" in child.cmdline():
                    found.append(child)
        return found

    def stop(self) -> int:
        """End the cluster, and what Ray may have left."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        try:
            return self.process.wait(90)
        finally:
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            self._end()
