"""What was said is found nowhere on the disk and in no log, with the defaults, whatever becomes of a request."""

import signal
from pathlib import Path

import psutil
import pytest
from tests.batches.batching import begin, chat, client_of, finished
from tests.conftest import Serve
from tests.e2e.everyday import ASK, MARK, TEXT, TURNS, Day, found, socket_turns
from tests.e2e.test_images import make_seeing
from tests.e2e.test_sound import make_hearing
from tests.server import Server, World, wait_for


def holders(root: Path) -> list[str]:
    """Return the lines of files that have the word, each after its file."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    read = [(path.relative_to(root), path.read_bytes()) for path in files]
    lines = [(path, line) for path, data in read if found(data) for line in data.splitlines() if found(line)]
    return [f"{path}: {line[:300]!r}" for path, line in lines]


def outside(server: Server) -> list[str]:
    """Return the files elsewhere that the server and its children write to."""
    process = psutil.Process(server.process.pid)
    opened = [file for one in (process, *process.children(recursive=True)) for file in one.open_files()]
    return [file.path for file in opened if file.mode != "r" and not file.path.startswith(str(server.world.root))]


def a_server(serve: Serve, folder: Path) -> Server:
    server = serve()
    server.faults_expected = True  # runners crash
    for name, make in (("seeing", make_seeing), ("hearing", make_hearing)):
        (folder / name).mkdir()
        make(server, folder / name, name)
    return server


def unload(server: Server) -> None:
    for name in server.loaded():
        server.ask("/api/generate", {"model": name, "keep_alive": 0, "stream": False})
    wait_for(lambda: not server.get("/api/ps").json()["models"])


def test_what_was_said_is_found_nowhere(serve: Serve, tmp_path: Path) -> None:
    server, day = a_server(serve, tmp_path), Day(1)
    day.ask(server, len(TURNS))
    assert {200, 400} <= set(day.statuses) <= {200, 400, 404}, day.statuses
    for how in ("leave", "cancel", "crash"):
        day.break_off(server, "/api/chat", {"model": "cria", "messages": ASK}, how)
    socket_turns(server)
    items = [{"type": "message", "role": "user", "content": TEXT}]
    conversation = server.ask("/v1/conversations", {"items": items})["id"]
    server.ask("/v1/responses", {"model": "cria", "input": MARK, "conversation": conversation})
    unload(server)
    assert list(server.world.models.rglob("puna/sessions/*/*")), "a session was saved, as tokens"
    assert holders(server.world.root) == outside(server) == []
    server.stop()
    assert holders(server.world.root) == []


@pytest.mark.day
def test_what_was_said_in_a_day_is_found_nowhere(serve: Serve, tmp_path: Path) -> None:
    server, day = a_server(serve, tmp_path), Day(2)
    left: set[str] = set()
    for hour in range(24):
        day.ask(server, 125)
        left |= {*holders(server.world.root), *outside(server)}
        if hour % 3 == 2:
            unload(server)
        if hour % 8 == 7:  # what a server leaves that is ended in any way
            server.kill() if hour == 15 else server.stop()
            server = serve(world=server.world)
            server.faults_expected = True
    server.stop()
    assert left | {*holders(server.world.root)} == set()
    print(f"{day.statuses.total()} answers: {dict(day.statuses)}")


@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="limits of another process are Linux's alone")
def test_a_crash_leaves_no_image_of_what_was_said() -> None:
    server = Server(World(), before="ulimit -S -c unlimited")
    try:
        server.ask("/api/chat", {"model": "cria", "messages": ASK, "stream": False, "options": {"num_predict": 1}})
        (runner,) = server.runners()
        for process in (runner, psutil.Process(server.process.pid)):
            assert process.rlimit(psutil.RLIMIT_CORE)[0] == 0
        runner.send_signal(signal.SIGSEGV)
        wait_for(lambda: not runner.is_running())
    finally:
        server.stop()
    assert holders(server.world.root) == []
    assert server.world.close() == []


def test_batches_keep_what_they_are_given_until_their_files_go(serve: Serve) -> None:
    server = serve()
    client = client_of(server)
    done = finished(client, begin(client, [chat("a", TEXT)]).id)
    assert done.status == "completed" and done.output_file_id
    kept = holders(server.world.root)
    assert kept and all(path.startswith(("home/.puna/files/", "home/.puna/batches.db")) for path in kept)
    client.files.delete(done.input_file_id)
    client.files.delete(done.output_file_id)
    server.stop()
    assert holders(server.world.root) == []
