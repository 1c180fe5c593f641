"""What a runner leaves behind when its parent is gone."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from puna.engine.config import RunnerConfig
from puna.engine.runner import remove_abandoned


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


@pytest.fixture
def listen() -> Iterator[Callable[[Path], socket.socket]]:
    """A function that listens on a path."""
    sockets: list[socket.socket] = []

    def start(path: Path) -> socket.socket:
        sockets.append(socket.socket(socket.AF_UNIX))
        sockets[-1].bind(str(path))
        sockets[-1].listen()
        return sockets[-1]

    yield start
    for one in sockets:
        one.close()


def test_what_killed_runners_left_is_removed(tmp_path: Path, listen: Callable[[Path], socket.socket]) -> None:
    names = ("puna-runner-empty", "puna-runner-dead", "puna-runner-alive", "puna-runner-young", "puna-build-1")
    empty, dead, alive, young, other = places = [tmp_path / name for name in names]
    for place in places:
        place.mkdir()
    listen(alive / "engine.sock")
    listen(dead / "engine.sock").close()
    long_ago = time.time() - 120
    for place in (empty, dead, alive, other):
        os.utime(place, (long_ago, long_ago))
    assert remove_abandoned(tmp_path) == 2
    assert sorted(tmp_path.iterdir()) == sorted([alive, young, other])
