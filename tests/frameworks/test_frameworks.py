"""Frameworks that people reach models with, unmodified, against a real server.

Each ``check_….py`` is run by an interpreter that has its package: this one, or one of the virtual environments in the
folder that ``PUNA_TEST_FRAMEWORKS`` names (they need pytest as well). Some frameworks exclude each other, so that one
environment cannot hold all.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.server import Server

HERE = Path(__file__).parent
_FOLDER = os.environ.get("PUNA_TEST_FRAMEWORKS", "")
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not _FOLDER, reason="PUNA_TEST_FRAMEWORKS names no folder of virtual environments"),
]
CHECKS = {path.stem.removeprefix("check_"): path for path in sorted(HERE.glob("check_*.py"))}


def interpreters() -> Iterator[str]:
    yield sys.executable
    yield from map(str, sorted(Path(_FOLDER).glob("*/bin/python")))


@cache
def interpreter(check: Path) -> str:
    """Return an interpreter that can import what a check imports, "" if there is none."""
    imports = "\n".join(line for line in check.read_text("utf-8").splitlines() if re.match(r"(from|import) ", line))
    for program in interpreters():
        if subprocess.run([program, "-c", imports], capture_output=True, stdin=subprocess.DEVNULL).returncode == 0:
            return program
    return ""


@pytest.mark.parametrize("name", CHECKS)
def test_framework(server: Server, tmp_path: Path, name: str) -> None:
    program = interpreter(CHECKS[name])
    if not program:
        pytest.skip(f"no interpreter has what {CHECKS[name].name} imports (PUNA_TEST_FRAMEWORKS)")
    command = [program, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:puna", "-W", "ignore"]
    options = ["-o", "asyncio_mode=auto", "-o", "asyncio_default_test_loop_scope=session", "--rootdir", str(tmp_path)]
    told = subprocess.run(
        [*command, *options, shutil.copy(CHECKS[name], tmp_path)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PUNA_URL": server.url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert told.returncode == 0, told.stdout[-8000:] + told.stderr[-2000:]
