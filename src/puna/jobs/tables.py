"""The tables of the archive, and what is read from them and written to them within one transaction."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from puna.errors import BadRequestError, NotFoundError

if TYPE_CHECKING:
    from sqlite3 import Connection

Item = dict[str, Any]
INPUT, OUTPUT = 0, 1
ENTRY = 256
"""Bytes that a row is counted with beside what it holds."""
_LONGEST_CHAIN = 10_000
SCHEMA = """
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


def record_body(connection: "Connection", owner: str, name: str, kind: str) -> bytes:
    """Return the object of a record; raise ``NotFoundError``."""
    row = connection.execute(
        "SELECT opened(body) FROM records WHERE id = ? AND owner = ? AND kind = ?", (name, owner, kind)
    ).fetchone()
    if row is None or row[0] is None:
        raise NotFoundError(f"{kind.capitalize()} with id '{name[:100]}' not found.")
    body: bytes = row[0]
    return body


def response_body(connection: "Connection", owner: str, name: str) -> dict[str, Any]:
    """Return a response with its output; raise ``NotFoundError``."""
    body: dict[str, Any] = orjson.loads(record_body(connection, owner, name, "response"))
    return body | {"output": items_of(connection, name, OUTPUT)}


def items_of(connection: "Connection", record: str, side: int) -> list[Item]:
    """Return the items on one side of a record."""
    rows = connection.execute(
        "SELECT opened(body) FROM items WHERE record = ? AND side = ? ORDER BY place", (record, side)
    )
    return [orjson.loads(body) for (body,) in rows if body]


def chain(connection: "Connection", owner: str, name: str) -> list[str]:
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


def spoken(connection: "Connection", turns: Sequence[str]) -> list[Item]:
    """Return the items of responses, the last of which comes first."""
    return [item for turn in reversed(turns) for side in (INPUT, OUTPUT) for item in items_of(connection, turn, side)]


def append(connection: "Connection", owner: str, conversation: str, items: Sequence[bytes]) -> None:
    """Add items to a conversation, unless it has been deleted meanwhile."""
    if connection.execute("SELECT 1 FROM records WHERE id = ?", (conversation,)).fetchone() is None:
        return
    (last,) = connection.execute(
        "SELECT coalesce(max(place), -1) FROM items WHERE record = ? AND side = ?", (conversation, INPUT)
    ).fetchone()
    connection.executemany(
        "INSERT INTO items VALUES(?, ?, ?, ?, ?, sealed(?))",
        [
            (conversation, INPUT, place, orjson.loads(one)["id"], owner, one)
            for place, one in enumerate(items, last + 1)
        ],
    )
    size = sum(len(one) + ENTRY for one in items)
    connection.execute("UPDATE records SET used = ?, size = size + ? WHERE id = ?", (time.time(), size, conversation))
