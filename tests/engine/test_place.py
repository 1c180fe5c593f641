"""The directory of a runner's socket: it goes with the runner, and with a server that was killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.server import wait_for

from puna.engine import place as places_of_runners
from puna.engine.config import LOADING
from puna.engine.place import Place, remove_abandoned, remove_abandoned_later

_HOLD = "import sys, pathlib; from puna.engine.place import Place; place = Place(pathlib.Path(sys.argv[1]));"
_MOMENT = 0.5
"""Long enough for a shell that does not wait."""
_WAIT = "place.watch(); place.make(); place.socket.touch(); print(flush=True); sys.stdin.read()"


@pytest.mark.parametrize("watched", [True, False])
def test_place_is_gone_when_it_is_removed(watched: bool, tmp_path: Path) -> None:
    place = Place(tmp_path)
    if watched:
        place.watch()
    place.make()
    place.socket.touch()
    place.remove()
    place.remove()
    assert not list(tmp_path.iterdir())


def test_only_its_user_may_enter(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.make()
    assert place.path.stat().st_mode & 0o777 == 0o700


def test_place_with_strange_name_goes_with_the_process_that_was_killed(tmp_path: Path) -> None:
    directory = tmp_path / "a b; $(c)"
    directory.mkdir()
    holder = [sys.executable, "-c", _HOLD + _WAIT, str(directory)]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(_MOMENT)
        assert list(directory.glob("puna-*/engine.sock")), "it was removed under a living process"
        process.send_signal(signal.SIGKILL)
    wait_for(lambda: not list(directory.iterdir()), what="the place to go")


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


def test_what_killed_runners_left_is_removed(socket_path: Path, listen: Callable[[Path], socket.socket]) -> None:
    kinds = ("empty", "dead", "early", "alive", "loads", "young")
    places = [*(socket_path / f"puna-runner-{kind}" for kind in kinds), socket_path / "puna-build-1"]
    _, dead, dead_loading, alive, loading, young, other = places
    for place in places:
        place.mkdir()
    listen(alive / "engine.sock")
    listen(dead / "engine.sock").close()
    listen(loading / LOADING)
    listen(dead_loading / LOADING).close()
    long_ago = time.time() - 120
    for place in set(places) - {young}:
        os.utime(place, (long_ago, long_ago))
    assert remove_abandoned(socket_path) == 3
    assert sorted(socket_path.iterdir()) == sorted([alive, loading, young, other])


async def test_what_was_young_at_the_start_is_removed_later(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(socket_path)
    place.make()
    assert remove_abandoned(socket_path) == 0
    monkeypatch.setattr(places_of_runners, "_YOUNG_SECONDS", 0.01)
    await remove_abandoned_later(socket_path)
    assert not place.path.exists()


_CHECK = """
import sys, pathlib
from puna import builtin
from puna.engine.load_check import check_load
from puna.models.library import Library
from puna.models.loadable import ModelFiles
check_load(ModelFiles(Library(builtin.STORE).get("cria").path))
"""


def test_what_a_check_left_that_was_killed_is_removed(socket_path: Path) -> None:
    checking = subprocess.Popen(
        [sys.executable, "-c", _CHECK], env={**os.environ, "TMPDIR": str(socket_path)}, start_new_session=True
    )
    wait_for(lambda: list(socket_path.iterdir()), what="the check")
    os.killpg(checking.pid, signal.SIGKILL)
    checking.wait()
    long_ago = time.time() - 120
    for left in socket_path.iterdir():
        os.utime(left, (long_ago, long_ago))
    assert remove_abandoned(socket_path) == 1
    assert not list(socket_path.iterdir())
