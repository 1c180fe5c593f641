"""The examples of ``docs/testing.md`` are run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.system import require_package
from tests.testing.conftest import python_environment, run_pytest

DOCUMENT = Path(__file__).parents[2] / "docs/testing.md"
EXAMPLES = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.M | re.S))
NEEDS = {
    "test_anthropic.py": "anthropic",
    "test_faults.py": "ollama",
    "test_langchain.py": "langchain_ollama",
    "test_llamaindex.py": "llama_index.llms.ollama",
    "test_ollama.py": "ollama",
    "test_openai.py": "openai",
    "test_pydantic_ai.py": "pydantic_ai",
}
"""The package that each is about."""
PROGRAMS = ["script.py", "test_unittest.py"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What one run of pytest on all of them found, by file: the faults of each test."""
    where = tmp_path_factory.mktemp("examples")
    for name in NEEDS:
        (where / name).write_text(EXAMPLES[name], encoding="utf-8")
    run_pytest(where, "--junitxml=results.xml", "--continue-on-collection-errors", "-W", "ignore::DeprecationWarning")
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(where / "results.xml").iter("testcase"):
        faults = [str(item.text) for item in case if item.tag in ("failure", "error", "skipped")]
        name = (case.get("classname") or case.get("name") or "").partition(".")[0]
        found.setdefault(f"{name}.py", []).extend(faults)
    return found


def test_every_example_is_run() -> None:
    assert set(EXAMPLES) == {*NEEDS, *PROGRAMS}


@pytest.mark.parametrize("name", NEEDS)
def test_example(results: dict[str, list[str]], name: str) -> None:
    require_package(NEEDS[name], "clients")
    assert results[name] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(EXAMPLES[name], encoding="utf-8")
    told = subprocess.run(
        [sys.executable, name], cwd=tmp_path, env=python_environment(), capture_output=True, text=True, timeout=200
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() or "OK" in told.stderr
