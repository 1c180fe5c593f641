"""Responses and conversations that are kept, with their items, until they are old or there are too many of them.

Everything has an owner, the key that a request was let in with ("" without keys), and nobody sees what is another's.
A response keeps its own input and output only: what came before lies with the responses that it goes on from.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from puna.errors import BadRequestError, NotFoundError, PayloadTooLargeError
from puna.jobs.database import Database, StorageError
from puna.jobs.process import is_alive, this_process

if TYPE_CHECKING:
    from sqlite3 import Connection

Item = dict[str, Any]
INPUT, OUTPUT = 0, 1
LOST = "the server ended before the response was complete"
_UNFINISHED = "('queued', 'in_progress')"
_LONGEST_CHAIN = 10_000
_SWEEP_SECONDS = 3600.0
_log = logging.getLogger(__name__)
_ENTRY = 256
"""Bytes that a row is counted with beside what it holds."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records(
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, created REAL NOT NULL, used REAL NOT NULL,
  size INTEGER NOT NULL, status TEXT NOT NULL, previous TEXT NOT NULL, conversation TEXT NOT NULL,
  process TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS records_by_use ON records(owner, used);
CREATE TABLE IF NOT EXISTS items(
  record TEXT NOT NULL REFERENCES records(id) ON DELETE CASCADE, side INTEGER NOT NULL, place INTEGER NOT NULL,
  id TEXT NOT NULL, owner TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY(record, side, place)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_by_id ON items(owner, id);
CREATE TABLE IF NOT EXISTS events(
  record TEXT NOT NULL REFERENCES records(id) ON DELETE CASCADE, number INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(record, number)) WITHOUT ROWID;
"""


class ResponseGoneError(BadRequestError):
    """A response that another should go on from is not here, or not here any more."""

    code = "previous_response_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"Previous response with id '{name}' not found.")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept for each owner, in bytes, and for how long after it was last used, in seconds."""

    size: int
    age: float


class Archive:
    """What is kept in one file. Methods raise ``NotFoundError`` for what ``owner`` does not have."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._bounds = bounds
        self._database = Database(path, _SCHEMA, self._prepare)
        self._process = this_process()

    @property
    def is_on(self) -> bool:
        """Return whether anything is kept."""
        return self._bounds.size > 0

    async def close(self) -> None:
        """Let go of the file."""
        await self._database.close()

    async def keep_bounded(self) -> None:
        """Remove what is too old, now and from time to time; it ends by being cancelled."""
        while True:
            if self._database.exists:
                try:
                    await self._database.run(self._expire)
                except StorageError as error:
                    _log.warning("%s", error)
            await asyncio.sleep(_SWEEP_SECONDS)

    async def save(self, owner: str, response: Mapping[str, Any], given: Sequence[Item]) -> None:
        """Keep a response as it is now, with the items that it was ``given`` itself.

        Raises ``PayloadTooLargeError`` for what is larger than all that may be kept.
        """
        conversation = (response.get("conversation") or {}).get("id", "")
        previous, status = response.get("previous_response_id") or "", response["status"]
        body = orjson.dumps({key: value for key, value in response.items() if key != "output"})
        sides = [(INPUT, [orjson.dumps(item) for item in given]), (OUTPUT, list(map(orjson.dumps, response["output"])))]
        size = len(body) + _ENTRY + sum(len(one) + _ENTRY for _, items in sides for one in items)
        self.check_size(size)
        ids = {INPUT: [item["id"] for item in given], OUTPUT: [item["id"] for item in response["output"]]}

        def work(connection: "Connection") -> None:
            now = time.time()
            connection.execute(
                "INSERT INTO records VALUES(?, 'response', ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET "
                "used = excluded.used, size = excluded.size, status = excluded.status, body = excluded.body",
                (response["id"], owner, now, now, size, status, previous, conversation, self._process, body),
            )
            connection.execute(
                "UPDATE records SET size = size + "
                "(SELECT coalesce(sum(length(body) + ?), 0) FROM events WHERE record = ?) WHERE id = ?",
                (_ENTRY, response["id"], response["id"]),
            )
            for side, items in sides:
                connection.execute("DELETE FROM items WHERE record = ? AND side = ?", (response["id"], side))
                rows = zip(range(len(items)), ids[side], items, strict=True)
                connection.executemany(
                    "INSERT INTO items VALUES(?, ?, ?, ?, ?, ?)",
                    [(response["id"], side, place, name, owner, one) for place, name, one in rows],
                )
            if conversation and status in ("completed", "incomplete"):
                _append(connection, owner, conversation, [*sides[0][1], *sides[1][1]])
            self._shrink(connection, owner)

        await self._database.run(work)

    def check_size(self, size: int) -> None:
        """Raise ``PayloadTooLargeError`` for what is larger than all that may be kept."""
        if size > self._bounds.size:
            raise PayloadTooLargeError("the response is too large to be stored (PUNA_RESPONSES)")

    async def response(self, owner: str, name: str) -> dict[str, Any]:
        """Return a response as it was last kept."""
        return await self._database.run(lambda connection: _response(connection, owner, name))

    async def delete(self, owner: str, name: str, kind: str = "response") -> None:
        """Remove a response, or a conversation, with its items."""

        def work(connection: "Connection") -> None:
            _record(connection, owner, name, kind)
            connection.execute("DELETE FROM records WHERE id = ?", (name,))

        await self._database.run(work)

    async def history(self, owner: str, name: str) -> list[Item]:
        """Return what was said up to the end of a response, and with it; raise ``ResponseGoneError``.

        All the responses that it goes on from count as used.
        """

        def work(connection: "Connection") -> list[Item]:
            return _spoken(connection, _chain(connection, owner, name))

        return await self._database.run(work)

    async def given(self, owner: str, name: str) -> list[Item]:
        """Return the whole input of a response: what it goes on from, then the items of its own."""

        def work(connection: "Connection") -> list[Item]:
            body = _response(connection, owner, name)
            before = body.get("previous_response_id")
            earlier = _spoken(connection, _chain(connection, owner, before)) if before else []
            return [*earlier, *_items(connection, name, INPUT)]

        return await self._database.run(work)

    async def referenced(self, owner: str, names: Iterable[str]) -> dict[str, Item]:
        """Return items by their ids."""

        def work(connection: "Connection") -> dict[str, Item]:
            found = {}
            for name in names:
                row = connection.execute("SELECT body FROM items WHERE owner = ? AND id = ?", (owner, name)).fetchone()
                if row is None:
                    raise NotFoundError(f"Item with id '{name[:100]}' not found.")
                found[name] = orjson.loads(row[0])
            return found

        return await self._database.run(work)

    async def add_events(self, name: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Keep events of a response, by their sequence numbers."""
        rows = [(name, event["sequence_number"], orjson.dumps(event)) for event in events]

        def work(connection: "Connection") -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO events SELECT ?1, ?2, ?3 WHERE EXISTS(SELECT 1 FROM records WHERE id = ?1)",
                rows,
            )
            size = sum(len(row[2]) + _ENTRY for row in rows)
            connection.execute("UPDATE records SET size = size + ? WHERE id = ?", (size, name))

        await self._database.run(work)

    async def events(self, owner: str, name: str, after: int) -> list[dict[str, Any]]:
        """Return the events of a response with numbers above ``after``."""

        def work(connection: "Connection") -> list[dict[str, Any]]:
            _record(connection, owner, name, "response")
            rows = connection.execute(
                "SELECT body FROM events WHERE record = ? AND number > ? ORDER BY number", (name, after)
            )
            return [orjson.loads(row[0]) for row in rows]

        return await self._database.run(work)

    async def begin_conversation(self, owner: str, conversation: Mapping[str, Any], items: Sequence[Item]) -> None:
        """Keep a new conversation."""

        def work(connection: "Connection") -> None:
            now, body = time.time(), orjson.dumps(conversation)
            row = (conversation["id"], owner, now, now, len(body) + _ENTRY, self._process, body)
            connection.execute("INSERT INTO records VALUES(?, 'conversation', ?, ?, ?, ?, '', '', '', ?, ?)", row)
            _append(connection, owner, conversation["id"], [orjson.dumps(item) for item in items])
            self._shrink(connection, owner)

        await self._database.run(work)

    async def conversation(self, owner: str, name: str) -> dict[str, Any]:
        """Return a conversation."""

        def work(connection: "Connection") -> dict[str, Any]:
            found: dict[str, Any] = orjson.loads(_record(connection, owner, name, "conversation"))
            return found

        return await self._database.run(work)

    async def change_conversation(self, owner: str, name: str, metadata: Mapping[str, str]) -> dict[str, Any]:
        """Give a conversation other metadata, and return it."""

        def work(connection: "Connection") -> dict[str, Any]:
            changed = {**orjson.loads(_record(connection, owner, name, "conversation")), "metadata": metadata}
            connection.execute("UPDATE records SET body = ? WHERE id = ?", (orjson.dumps(changed), name))
            return changed

        return await self._database.run(work)

    async def said(self, owner: str, name: str) -> list[Item]:
        """Return the items of a conversation."""

        def work(connection: "Connection") -> list[Item]:
            _record(connection, owner, name, "conversation")
            connection.execute("UPDATE records SET used = ? WHERE id = ?", (time.time(), name))
            return _items(connection, name, INPUT)

        return await self._database.run(work)

    async def say(self, owner: str, name: str, items: Sequence[Item]) -> None:
        """Add items to a conversation."""

        def work(connection: "Connection") -> None:
            _record(connection, owner, name, "conversation")
            _append(connection, owner, name, [orjson.dumps(item) for item in items])
            self._shrink(connection, owner)

        await self._database.run(work)

    async def unsay(self, owner: str, name: str, item: str) -> None:
        """Remove an item of a conversation."""

        def work(connection: "Connection") -> None:
            _record(connection, owner, name, "conversation")
            gone = connection.execute("DELETE FROM items WHERE record = ? AND id = ?", (name, item)).rowcount
            if not gone:
                raise NotFoundError(f"Item with id '{item[:100]}' not found.")

        await self._database.run(work)

    def _prepare(self, connection: "Connection") -> None:
        """Mark as failed what a server has left unfinished that is no more."""
        rows = connection.execute(f"SELECT id, body, process FROM records WHERE status IN {_UNFINISHED}").fetchall()
        for name, body, process in rows:
            if process != self._process and not is_alive(process):
                failed = {"status": "failed", "error": {"code": "server_error", "message": LOST}}
                changed = orjson.dumps(orjson.loads(body) | failed)
                connection.execute("UPDATE records SET status = 'failed', body = ? WHERE id = ?", (changed, name))
        self._expire(connection)

    def _expire(self, connection: "Connection") -> None:
        connection.execute(
            f"DELETE FROM records WHERE used < ? AND status NOT IN {_UNFINISHED}", (time.time() - self._bounds.age,)
        )
        connection.execute("PRAGMA incremental_vacuum").fetchall()

    def _shrink(self, connection: "Connection", owner: str) -> None:
        """Remove what was used longest ago, until the rest is as little as may be kept."""
        (size,) = connection.execute("SELECT total(size) FROM records WHERE owner = ?", (owner,)).fetchone()
        if size <= self._bounds.size:
            return
        rows = connection.execute(
            f"SELECT id, size FROM records WHERE owner = ? AND status NOT IN {_UNFINISHED} ORDER BY used", (owner,)
        ).fetchall()
        for name, freed in rows:
            if size <= self._bounds.size:
                break
            connection.execute("DELETE FROM records WHERE id = ?", (name,))
            size -= freed


def _record(connection: "Connection", owner: str, name: str, kind: str) -> bytes:
    row = connection.execute(
        "SELECT body FROM records WHERE id = ? AND owner = ? AND kind = ?", (name, owner, kind)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{kind.capitalize()} with id '{name[:100]}' not found.")
    body: bytes = row[0]
    return body


def _response(connection: "Connection", owner: str, name: str) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(_record(connection, owner, name, "response"))
    return body | {"output": _items(connection, name, OUTPUT)}


def _items(connection: "Connection", record: str, side: int) -> list[Item]:
    rows = connection.execute("SELECT body FROM items WHERE record = ? AND side = ? ORDER BY place", (record, side))
    return [orjson.loads(row[0]) for row in rows]


def _chain(connection: "Connection", owner: str, name: str) -> list[str]:
    """Return the ids of a response and of those that it goes on from, the last one first."""
    found: list[str] = []
    while name and len(found) < _LONGEST_CHAIN:
        row = connection.execute(
            "SELECT previous FROM records WHERE id = ? AND owner = ? AND kind = 'response'", (name, owner)
        ).fetchone()
        if row is None:
            raise ResponseGoneError(name[:100])
        found.append(name)
        (name,) = row
    connection.executemany("UPDATE records SET used = ? WHERE id = ?", [(time.time(), one) for one in found])
    return found


def _spoken(connection: "Connection", turns: Sequence[str]) -> list[Item]:
    """Return the items of responses, the last of which comes first."""
    return [item for turn in reversed(turns) for side in (INPUT, OUTPUT) for item in _items(connection, turn, side)]


def _append(connection: "Connection", owner: str, conversation: str, items: Sequence[bytes]) -> None:
    """Add items to a conversation, unless it has been deleted meanwhile."""
    if connection.execute("SELECT 1 FROM records WHERE id = ?", (conversation,)).fetchone() is None:
        return
    (last,) = connection.execute(
        "SELECT coalesce(max(place), -1) FROM items WHERE record = ? AND side = ?", (conversation, INPUT)
    ).fetchone()
    connection.executemany(
        "INSERT INTO items VALUES(?, ?, ?, ?, ?, ?)",
        [
            (conversation, INPUT, place, orjson.loads(one)["id"], owner, one)
            for place, one in enumerate(items, last + 1)
        ],
    )
    size = sum(len(one) + _ENTRY for one in items)
    connection.execute("UPDATE records SET used = ?, size = size + ? WHERE id = ?", (time.time(), size, conversation))
