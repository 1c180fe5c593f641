"""Responses and conversations that are kept, with their items, until they are old or there are too many of them.

Everything has an owner, the key that a request was let in with ("" without keys), and nobody sees what is another's.
A response keeps its own input and output only: what came before lies with the responses that it goes on from. What was
said is sealed, so that no copy of the file has it; what cannot be opened any more is as if it were gone.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from puna.cipher import Cipher
from puna.errors import NotFoundError, PayloadTooLargeError
from puna.jobs.database import Database
from puna.jobs.process import is_alive, this_process
from puna.jobs.tables import (
    ENTRY,
    INPUT,
    OUTPUT,
    SCHEMA,
    Item,
    append,
    chain,
    items_of,
    record_body,
    response_body,
    spoken,
)

if TYPE_CHECKING:
    from sqlite3 import Connection

LOST = "the server ended before the response was complete"
_UNFINISHED = "('queued', 'in_progress')"
_PURPOSE = "responses"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept for each owner, in bytes, and for how long after it was last used, in seconds."""

    size: int
    age: float


class Archive:
    """What is kept in one file. Methods raise ``NotFoundError`` for what ``owner`` does not have."""

    def __init__(self, path: Path, bounds: Bounds, cipher: Cipher) -> None:
        self._bounds = bounds
        functions = {"sealed": lambda data: cipher.seal(data, _PURPOSE), "opened": lambda data: _opened(cipher, data)}
        self._database = Database(path, SCHEMA, self._prepare, functions)
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
        await self._database.sweep(self._expire)

    async def save(self, owner: str, response: Mapping[str, Any], given: Sequence[Item]) -> None:
        """Keep a response as it is now, with the items that it was ``given`` itself.

        Raises ``PayloadTooLargeError`` for what is larger than all that may be kept.
        """
        conversation = (response.get("conversation") or {}).get("id", "")
        previous, status = response.get("previous_response_id") or "", response["status"]
        body = orjson.dumps({key: value for key, value in response.items() if key != "output"})
        sides = [(INPUT, [orjson.dumps(item) for item in given]), (OUTPUT, list(map(orjson.dumps, response["output"])))]
        size = len(body) + ENTRY + sum(len(one) + ENTRY for _, items in sides for one in items)
        self.check_size(size)
        ids = {INPUT: [item["id"] for item in given], OUTPUT: [item["id"] for item in response["output"]]}

        def work(connection: "Connection") -> None:
            now = time.time()
            connection.execute(
                "INSERT INTO records VALUES(?, 'response', ?, ?, ?, ?, ?, ?, ?, ?, sealed(?)) "
                "ON CONFLICT(id) DO UPDATE SET used = excluded.used, size = excluded.size, "
                "status = excluded.status, body = excluded.body",
                (response["id"], owner, now, now, size, status, previous, conversation, self._process, body),
            )
            connection.execute(
                "UPDATE records SET size = size + "
                "(SELECT coalesce(sum(length(body) + ?), 0) FROM events WHERE record = ?) WHERE id = ?",
                (ENTRY, response["id"], response["id"]),
            )
            for side, items in sides:
                connection.execute("DELETE FROM items WHERE record = ? AND side = ?", (response["id"], side))
                rows = zip(range(len(items)), ids[side], items, strict=True)
                connection.executemany(
                    "INSERT INTO items VALUES(?, ?, ?, ?, ?, sealed(?))",
                    [(response["id"], side, place, name, owner, one) for place, name, one in rows],
                )
            if conversation and status in ("completed", "incomplete"):
                append(connection, owner, conversation, [*sides[0][1], *sides[1][1]])
            self._shrink(connection, owner)

        await self._database.run(work)

    def check_size(self, size: int) -> None:
        """Raise ``PayloadTooLargeError`` for what is larger than all that may be kept."""
        if size > self._bounds.size:
            raise PayloadTooLargeError("the response is too large to be stored (PUNA_RESPONSES)")

    async def response(self, owner: str, name: str) -> dict[str, Any]:
        """Return a response as it was last kept."""
        return await self._database.run(lambda connection: response_body(connection, owner, name))

    async def delete(self, owner: str, name: str, kind: str = "response") -> None:
        """Remove a response, or a conversation, with its items."""

        def work(connection: "Connection") -> None:
            record_body(connection, owner, name, kind)
            connection.execute("DELETE FROM records WHERE id = ?", (name,))

        await self._database.run(work)

    async def history(self, owner: str, name: str) -> list[Item]:
        """Return what was said up to the end of a response, and with it; raise ``ResponseGoneError``.

        All the responses that it goes on from count as used.
        """

        def work(connection: "Connection") -> list[Item]:
            return spoken(connection, chain(connection, owner, name))

        return await self._database.run(work)

    async def given(self, owner: str, name: str) -> list[Item]:
        """Return the whole input of a response: what it goes on from, then the items of its own."""

        def work(connection: "Connection") -> list[Item]:
            body = response_body(connection, owner, name)
            before = body.get("previous_response_id")
            earlier = spoken(connection, chain(connection, owner, before)) if before else []
            return [*earlier, *items_of(connection, name, INPUT)]

        return await self._database.run(work)

    async def referenced(self, owner: str, names: Iterable[str]) -> dict[str, Item]:
        """Return items by their ids."""

        def work(connection: "Connection") -> dict[str, Item]:
            found = {}
            for name in names:
                row = connection.execute(
                    "SELECT opened(body) FROM items WHERE owner = ? AND id = ?", (owner, name)
                ).fetchone()
                if row is None or row[0] is None:
                    raise NotFoundError(f"Item with id '{name[:100]}' not found.")
                found[name] = orjson.loads(row[0])
            return found

        return await self._database.run(work)

    async def add_events(self, name: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Keep events of a response, by their sequence numbers."""
        rows = [(name, event["sequence_number"], orjson.dumps(event)) for event in events]

        def work(connection: "Connection") -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO events SELECT ?1, ?2, sealed(?3) "
                "WHERE EXISTS(SELECT 1 FROM records WHERE id = ?1)",
                rows,
            )
            size = sum(len(row[2]) + ENTRY for row in rows)
            connection.execute("UPDATE records SET size = size + ? WHERE id = ?", (size, name))

        await self._database.run(work)

    async def events(self, owner: str, name: str, after: int) -> list[dict[str, Any]]:
        """Return the events of a response with numbers above ``after``."""

        def work(connection: "Connection") -> list[dict[str, Any]]:
            record_body(connection, owner, name, "response")
            rows = connection.execute(
                "SELECT opened(body) FROM events WHERE record = ? AND number > ? ORDER BY number", (name, after)
            )
            return [orjson.loads(row[0]) for row in rows]

        return await self._database.run(work)

    async def begin_conversation(self, owner: str, conversation: Mapping[str, Any], items: Sequence[Item]) -> None:
        """Keep a new conversation."""

        def work(connection: "Connection") -> None:
            now, body = time.time(), orjson.dumps(conversation)
            row = (conversation["id"], owner, now, now, len(body) + ENTRY, self._process, body)
            connection.execute(
                "INSERT INTO records VALUES(?, 'conversation', ?, ?, ?, ?, '', '', '', ?, sealed(?))", row
            )
            append(connection, owner, conversation["id"], [orjson.dumps(item) for item in items])
            self._shrink(connection, owner)

        await self._database.run(work)

    async def conversation(self, owner: str, name: str) -> dict[str, Any]:
        """Return a conversation."""

        def work(connection: "Connection") -> dict[str, Any]:
            found: dict[str, Any] = orjson.loads(record_body(connection, owner, name, "conversation"))
            return found

        return await self._database.run(work)

    async def change_conversation(self, owner: str, name: str, metadata: Mapping[str, str]) -> dict[str, Any]:
        """Give a conversation other metadata, and return it."""

        def work(connection: "Connection") -> dict[str, Any]:
            changed = {**orjson.loads(record_body(connection, owner, name, "conversation")), "metadata": metadata}
            connection.execute("UPDATE records SET body = sealed(?) WHERE id = ?", (orjson.dumps(changed), name))
            return changed

        return await self._database.run(work)

    async def said(self, owner: str, name: str) -> list[Item]:
        """Return the items of a conversation."""

        def work(connection: "Connection") -> list[Item]:
            record_body(connection, owner, name, "conversation")
            connection.execute("UPDATE records SET used = ? WHERE id = ?", (time.time(), name))
            return items_of(connection, name, INPUT)

        return await self._database.run(work)

    async def say(self, owner: str, name: str, items: Sequence[Item]) -> None:
        """Add items to a conversation."""

        def work(connection: "Connection") -> None:
            record_body(connection, owner, name, "conversation")
            append(connection, owner, name, [orjson.dumps(item) for item in items])
            self._shrink(connection, owner)

        await self._database.run(work)

    async def unsay(self, owner: str, name: str, item: str) -> None:
        """Remove an item of a conversation."""

        def work(connection: "Connection") -> None:
            record_body(connection, owner, name, "conversation")
            (freed,) = connection.execute(
                "SELECT sum(coalesce(length(opened(body)), 0) + ?) FROM items WHERE record = ? AND id = ?",
                (ENTRY, name, item),
            ).fetchone()
            if freed is None:
                raise NotFoundError(f"Item with id '{item[:100]}' not found.")
            connection.execute("DELETE FROM items WHERE record = ? AND id = ?", (name, item))
            connection.execute("UPDATE records SET size = size - ? WHERE id = ?", (freed, name))

        await self._database.run(work)

    def _prepare(self, connection: "Connection") -> None:
        """Mark as failed what a server has left unfinished that is no more; remove it where it cannot be opened."""
        rows = connection.execute(
            f"SELECT id, opened(body), process FROM records WHERE status IN {_UNFINISHED}"
        ).fetchall()
        for name, body, process in rows:
            if process == self._process or is_alive(process):
                continue
            if body is None:  # what is unfinished does not grow old, so it would stay for ever
                connection.execute("DELETE FROM records WHERE id = ?", (name,))
                continue
            failed = {"status": "failed", "error": {"code": "server_error", "message": LOST}}
            changed = orjson.dumps(orjson.loads(body) | failed)
            connection.execute("UPDATE records SET status = 'failed', body = sealed(?) WHERE id = ?", (changed, name))
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


def _opened(cipher: Cipher, data: bytes) -> bytes | None:
    """Return what was sealed; what an earlier version has written is JSON as it stands."""
    return data if data[:1] == b"{" else cipher.unseal(data, _PURPOSE)
