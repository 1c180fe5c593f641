"""Usage is exact: after a ``kill -9``, and where the disk takes nothing."""

import errno
import fcntl
import json
import shutil
from pathlib import Path

import pytest
from tests.conftest import Serve
from tests.keys.books import compare, keep_books
from tests.keys.conftest import bearer, key_of
from tests.server import Server

from puna.accounts.store import Store
from puna.accounts.tape import Tape, recover
from puna.accounts.usage import Counts, Place


def used(server: Server, key: str) -> tuple[int, int, int]:
    rows = server.get("/api/puna/usage", headers=bearer(key)).json()["usage"]
    return tuple(sum(row[name] for row in rows) for name in ("requests", "prompt_tokens", "generated_tokens"))  # type: ignore[return-value]


def test_a_kill_loses_nothing_that_was_answered(serve: Serve) -> None:
    server = serve()
    key = key_of(server.world, "app", scopes=["infer"])
    book = [0, 0, 0]
    for round_ in range(3):
        for number in range(3 + round_):
            body = {"model": "cria", "prompt": "Hi", "stream": False, "options": {"num_predict": 1 + number}}
            answer = server.post("/api/generate", body, headers=bearer(key)).json()
            book = [book[0] + 1, book[1] + answer["prompt_eval_count"], book[2] + answer["eval_count"]]
        server.kill()
        if round_ == 1:  # the command looks into the files itself
            told = json.loads(server.world.run("usage", "--json").stdout)["usage"]
            assert [told[0][name] for name in ("requests", "prompt_tokens", "generated_tokens")] == book
        server = serve(world=server.world)
        assert [*used(server, key)] == book
    server.stop()
    assert not list((server.world.home / ".puna").glob("usage-*"))


def test_a_segment_is_added_once(tmp_path: Path) -> None:
    place, counts = Place("2026-11-27", "app", "cria"), Counts(1, 2, 0, 3, 4)
    tape = Tape(tmp_path)
    tape.note(place, counts)
    with Store(tmp_path / "accounts.db") as store:
        recover(store, tmp_path)
        assert store.usage() == []  # its process lives
        (name,) = tape.turn()
        shutil.copy(tmp_path / name, tmp_path / "copy")
        tape.close()
        recover(store, tmp_path)
        shutil.move(tmp_path / "copy", tmp_path / name)  # as after a kill between the transaction and the removal
        recover(store, tmp_path)
        assert store.usage()[0] == (place, counts)
        assert not list(tmp_path.glob("usage-*"))


def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    for _ in range(2):
        tape.note(Place("2026-11-27", "app", "cria"), Counts(1))
    (name,) = tape.turn()
    tape.close()
    with (tmp_path / name).open("ab") as file:
        file.write(b'["2026-11-27","app"')
    with Store(tmp_path / "accounts.db") as store:
        recover(store, tmp_path)
        assert store.usage()[0].counts.requests == 2


def test_a_file_system_without_locks_costs_the_tape_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Tape(tmp_path)
    kept.note(Place("2026-11-27", "app", "cria"), Counts(1))
    kept.close()

    def refuse(_file: object, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    tape, before = Tape(tmp_path), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        tape.note(Place("2026-11-27", "app", "cria"), Counts(1))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert tape.turn() == []
    with Store(tmp_path / "accounts.db") as store:
        recover(store, tmp_path)
        assert store.usage() == []
    assert len(list(tmp_path.glob("usage-*"))) == 1
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["No locks available"] * 2


def test_a_segment_is_added_where_locks_are_those_of_nfs(tmp_path: Path, nfs_locks: None) -> None:
    tape = Tape(tmp_path)
    tape.note(Place("2026-11-27", "app", "cria"), Counts(1))
    tape.close()
    with Store(tmp_path / "accounts.db") as store:
        recover(store, tmp_path)
        assert store.usage()[0].counts.requests == 1


def test_books_of_clients_log_metrics_and_usage_agree(serve: Serve) -> None:
    server = serve({"PUNA_LOG_FORMAT": "json", "OLLAMA_MAX_QUEUE": "1000"})
    server.post("/api/copy", {"source": "cria", "destination": "other"})
    admin = key_of(server.world, "root", scopes=["admin"])
    books = keep_books(server, 20, 5)
    assert {200, 403, 404, 429} <= {200, *(status for book in books.values() for status in book.refusals)}
    assert compare(server, admin, books) == []
