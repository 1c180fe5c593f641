"""A cluster in the place of the servers of tests, where ``PUNA_TEST_CLUSTER`` asks for it.

With ``local`` every server answers through nodes in its process (``serve``); with ``ray`` the one that tests share is a
cluster of one machine, and tests that want a server of their own are skipped.
"""

import contextlib
import os
import secrets
from pathlib import Path

import psutil
from tests.server import Server, World, free_port

WANTED = os.environ.get("PUNA_TEST_CLUSTER", "")
"""Read once, since tests take such settings out of the environment."""
if WANTED == "local":
    Server.command = (str(Path(__file__).with_name("serve.py")), "--exit-with-stdin")
_RAYS_OWN = range(10001, 30000)


class ClusterServer(Server):
    """See ``Server``. Its log is that of the command, not of the ingress."""

    def __init__(self) -> None:
        port = free_port()
        while port in _RAYS_OWN:
            port = free_port()
        self.command = ("-m", "puna", "cluster", "start", f"--port={port}", "--address=127.0.0.1")
        settings = {"OLLAMA_HOST": f"127.0.0.1:{free_port()}", "PUNA_CLUSTER_TOKEN": secrets.token_hex(24)}
        super().__init__(World(settings))
        self.patience = 180.0

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
