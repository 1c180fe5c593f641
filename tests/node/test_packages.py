"""The packages from npm that programs in JavaScript reach models with, against a real server.

They are looked for in ``node_modules`` beside this file (``npm install --prefix tests/node``), or where
``PUNA_TEST_NODE_MODULES`` says.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server import Server
from tests.system import require, require_npm

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The programs, beside the packages that they import."""
    require("node", "nodejs")
    place = tmp_path_factory.mktemp("node")
    (place / "node_modules").symlink_to(require_npm(HERE))
    for program in HERE.glob("*.mjs"):
        shutil.copy(program, place)
    yield place


@pytest.mark.parametrize("name", ["openai", "anthropic", "ollama", "ai"])
def test_package(server: Server, folder: Path, name: str) -> None:
    told = subprocess.run(
        ["node", "--test", f"{name}.test.mjs"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PUNA_URL": server.url, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode == 0, told.stdout[-8000:] + told.stderr[-2000:]
