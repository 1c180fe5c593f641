"""The archive by itself: how much of it counts, and what a server that is no more has left."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import puna.jobs.archive
from puna.cipher import Cipher
from puna.errors import NotFoundError
from puna.jobs.archive import Archive, Bounds

BOUNDS = Bounds(10_000, 3600.0)
QUEUED = {"id": "resp_1", "status": "queued", "output": []}


def with_archive(home: Path, work: Callable[[Archive], Awaitable[Any]], key: str = "key") -> Any:
    async def run() -> Any:
        archive = Archive(home / "responses.db", BOUNDS, Cipher(home / key))
        try:
            return await work(archive)
        finally:
            await archive.close()

    return asyncio.run(run())


def rows(home: Path) -> list[tuple[str, str, int]]:
    connection = sqlite3.connect(home / "responses.db")
    try:
        return connection.execute("SELECT id, status, size FROM records ORDER BY id").fetchall()
    finally:
        connection.close()


def said(number: int, text: str = "x" * 1000) -> dict[str, Any]:
    return {"id": f"msg_{number}", "type": "message", "content": text}


def test_what_is_taken_out_of_a_conversation_takes_no_room(tmp_path: Path) -> None:
    async def work(archive: Archive) -> None:
        await archive.begin_conversation("", {"id": "conv_1"}, [])
        empty = rows(tmp_path)
        for number in range(30):  # three times as much as is kept of one owner
            await archive.say("", "conv_1", [said(number)])
            await archive.unsay("", "conv_1", f"msg_{number}")
        assert rows(tmp_path) == empty
        with pytest.raises(NotFoundError, match="Item with id 'msg_1'"):
            await archive.unsay("", "conv_1", "msg_1")

    with_archive(tmp_path, work)


def test_what_is_said_makes_the_oldest_go(tmp_path: Path) -> None:
    async def work(archive: Archive) -> None:
        for name in ("conv_1", "conv_2"):
            await archive.begin_conversation("", {"id": name}, [said(0)])
        for number in range(1, 6):
            await archive.say("", "conv_2", [said(number)])
        assert [row[0] for row in rows(tmp_path)] == ["conv_1", "conv_2"]
        await archive.say("", "conv_2", [said(6)])
        assert [row[0] for row in rows(tmp_path)] == ["conv_2"]

    with_archive(tmp_path, work)


@pytest.mark.parametrize(("key", "left"), [("key", [("resp_1", "failed")]), ("other", [])])
def test_what_a_dead_server_left_fails_or_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, left: list[tuple[str, str]]
) -> None:
    with_archive(tmp_path, lambda archive: archive.save("", QUEUED, []))
    monkeypatch.setattr(puna.jobs.archive, "this_process", lambda: "1 0.5")
    monkeypatch.setattr(puna.jobs.archive, "is_alive", lambda _: False)

    async def look(archive: Archive) -> None:
        with pytest.raises(NotFoundError):
            await archive.response("", "resp_gone")

    with_archive(tmp_path, look, key)
    assert [row[:2] for row in rows(tmp_path)] == left
