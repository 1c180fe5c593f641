"""A program that ends with its parent."""

import subprocess
import sys
from pathlib import Path

import psutil
from tests.server import wait_for

PARENT = """
import subprocess, sys
from puna.engine import bound
child = subprocess.Popen(bound.command(sys.argv[1:]), stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.exit(child.wait())
"""


def start(*program: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", PARENT, *program], stdout=subprocess.PIPE, encoding="utf-8")


def child_of(parent: "subprocess.Popen[str]") -> psutil.Process:
    assert parent.stdout
    return psutil.Process(int(parent.stdout.readline()))


def test_program_ends_when_its_parent_is_killed() -> None:
    with start("/bin/sleep", "60") as parent:
        child = child_of(parent)
        wait_for(lambda: child.cmdline() == ["/bin/sleep", "60"], what="the program to take its place")
        parent.kill()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="the end of the program")


def test_status_is_that_of_the_program() -> None:
    with start("/bin/sh", "-c", "exit 7") as parent:
        assert parent.wait(60) == 7


def test_program_that_is_none_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, str(tmp_path / "none")], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert "cannot run" in done.stderr
