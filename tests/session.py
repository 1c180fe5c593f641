"""A session of systemd as a user has one after logging in, with a journal, whatever started this machine."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

import pytest
from tests.server import World, wait_for
from tests.system import require

_RUNTIME = f"/run/user/{os.getuid()}"
_PROGRAMS = Path("/lib/systemd")
_BEGIN = f"""
mount -t tmpfs none /run
mkdir -p /run/systemd/system /run/systemd/journal /run/log/journal {_RUNTIME}
chmod 700 {_RUNTIME}
{_PROGRAMS}/systemd-journald &
exec {_PROGRAMS}/systemd --user
"""
_APART = ["unshare", "--mount", "--propagation", "private"]


def can_be() -> bool:
    """Return whether this machine lets us have a session: it takes a mount namespace."""
    mount = [*_APART, "mount", "-t", "tmpfs", "none", "/run"]
    return not os.geteuid() and subprocess.run(mount, capture_output=True, check=False).returncode == 0


class Session:
    """One session in a world, in a mount namespace with a ``/run`` of its own. Use it as a context manager.

    Skips the test where there can be none; fails it in CI where systemd is missing.
    """

    def __init__(self, world: World) -> None:
        require("systemctl", "systemd")
        if not can_be():
            pytest.skip("a session of systemd's takes a mount namespace, which only root may make")
        self.world = world
        self._environment = world.environment | {"XDG_RUNTIME_DIR": _RUNTIME}

    def __enter__(self) -> Self:
        with (self.world.root / "session.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_APART, "sh", "-c", _BEGIN],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_for(lambda: self.run("systemctl", "--user", "is-system-running").stdout.strip() == "running")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # which stops its services
        try:
            self._process.wait(30)
        finally:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def run(self, *command: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        """Run a program in the session and return how it went."""
        inside = [shutil.which("nsenter") or "nsenter", "--mount", f"--target={self._process.pid}", "--wdns=."]
        return subprocess.run(
            [*inside, *command],
            **{"env": self._environment, "cwd": self.world.home, "timeout": 60} | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def journal(self) -> str:
        """Return the messages of the journal."""
        return self.run("journalctl", "--no-pager", "--output=cat").stdout
