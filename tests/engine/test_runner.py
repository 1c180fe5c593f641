"""What a runner leaves behind when its parent is gone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from puna.engine.config import RunnerConfig


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_runner_whose_parent_is_killed_before_it_has_said_all_leaves_nothing(tmp_path: Path, part: float) -> None:
    start = {"socket": str(tmp_path / "place" / "engine.sock"), "key": "k", "debug": False}
    whole = f"{json.dumps(start)}\n{RunnerConfig(model_path='x', context=8).to_json()}\n"
    done = subprocess.run(
        [sys.executable, "-m", "puna.engine.embedded"],
        input=whole[: int(part * len(whole))],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.iterdir())
