"""The directory of a runner's socket: it goes with the runner, and with a server that was killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.server import wait_for

from puna.engine.place import Place, remove_abandoned

_HOLD = "import sys, pathlib; from puna.engine.place import Place; place = Place(pathlib.Path(sys.argv[1]));"
_MOMENT = 0.5
"""Long enough for a shell that does not wait."""
_WAIT = "place.watch(); place.socket.touch(); print(flush=True); sys.stdin.read()"


def abandon(place: Place) -> None:
    """Leave a socket in a place on which nobody listens any more."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.socket))


@pytest.mark.parametrize("watched", [True, False])
def test_place_is_gone_when_it_is_removed(watched: bool, tmp_path: Path) -> None:
    place = Place(tmp_path)
    if watched:
        place.watch()
    place.socket.touch()
    place.remove()
    place.remove()
    assert not list(tmp_path.iterdir())


def test_only_its_user_may_enter(tmp_path: Path) -> None:
    assert Place(tmp_path).path.stat().st_mode & 0o777 == 0o700


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


def test_what_is_left_all_the_same_is_removed_later(tmp_path: Path) -> None:
    old, young, alive = places = [Place(tmp_path) for _ in range(3)]
    abandon(old)
    abandon(young)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(alive.socket))
        listener.listen()
        for place in (old, alive):
            os.utime(place.socket, (0, 0))
        assert remove_abandoned(tmp_path) == 1
    assert [place.path.exists() for place in places] == [False, True, True]
