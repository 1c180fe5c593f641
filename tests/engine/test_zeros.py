"""Memory that holds nothing but zeros goes back to the system, and nothing else does."""

import subprocess
import sys

import pytest
from tests.conftest import Serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is given back on Linux only")

_CHILD = """
import mmap
from puna.engine.zeros import give_back_zeros
mib, size = 1 << 20, 256 << 20
area = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, size, mib):
    area[at : at + mib] = bytes(mib)
marks = {3 * mib: 7, 100 * mib + 4095: 1, size - 1: 255}
for at, value in marks.items():
    area[at] = value
given = give_back_zeros()
assert {at: area[at] for at in marks} == marks
assert sum(1 for byte in area[:] if byte) == len(marks)
area[50 * mib] = 9
assert area[50 * mib] == 9
print(given >> 20)
"""


def test_zeros_are_given_back_and_all_else_stays() -> None:
    ran = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True, timeout=60)
    assert 256 - 4 * 2 <= int(ran.stdout) <= 256 - 3 * 2 + 2


def test_a_context_takes_memory_when_it_is_filled(serve: Serve) -> None:
    server = serve({"OLLAMA_CONTEXT_LENGTH": "0", "PUNA_ENGINE": "portable"})
    assert server.ask("/api/generate", {"model": "cria", "prompt": "The sea", "stream": False})["done"]
    (runner,) = server.runners()
    whole = server.get("/api/ps").json()["models"][0]["size"]
    assert whole > 400 << 20, "the contexts are planned for"
    assert runner.memory_info().rss < 160 << 20
