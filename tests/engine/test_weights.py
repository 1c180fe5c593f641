"""Weights of a native engine lie in large pages soon after they were written."""

import platform
import subprocess
from pathlib import Path

import pytest
from tests.system import require

import puna.engine.build

WEIGHTS = Path(puna.engine.build.__file__).with_name("weights.cpp")
CHECK = Path(__file__).with_name("weights.cpp")
HEADERS = ("ggml-backend.h", "ggml-impl.h")
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MIB, SECONDS, ONE = 256, 60, 2


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = require("c++", "g++")
    release = tuple(int(part) for part in platform.release().split(".")[:2]) if platform.system() == "Linux" else (0,)
    if release < (6, 1) or not SETTING.exists() or "[never]" in SETTING.read_text():
        pytest.skip("it takes Linux 6.1 with large pages")
    place = tmp_path_factory.mktemp("weights")
    for name in HEADERS:  # what they declare the check declares itself
        (place / name).touch()
    made = place / "check"
    source = place / "both.cpp"
    source.write_text(f'#include "{CHECK}"\n#include "{WEIGHTS}"\n')
    subprocess.run([compiler, "-std=c++17", "-O1", f"-I{place}", str(source), "-o", str(made), "-pthread"], check=True)
    return made


def large(program: Path, way: str, mib: int, seconds: int) -> int:
    """Return how many MiB are in large pages when half are, or after so many seconds; half of it was written."""
    ran = subprocess.run(
        [program, way, str(mib), str(seconds)], capture_output=True, text=True, check=True, timeout=120
    )
    return int(ran.stdout)


@pytest.mark.parametrize("way", ["malloc", "buffer"])
def test_what_was_written_is_moved_and_nothing_else(program: Path, way: str) -> None:
    found = large(program, way, MIB, SECONDS)
    assert MIB // 2 - 2 * ONE <= found <= MIB // 2 + ONE


def test_what_is_small_is_left_alone(program: Path) -> None:
    assert large(program, "malloc", 32, 3) == 0
