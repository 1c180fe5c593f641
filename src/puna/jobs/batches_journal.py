"""Batches and what became of each of their requests, in a file that survives its server.

An answer and the counts that it changes are written in one transaction, and only where there is none yet: after a
``kill -9`` what was written is there, once, and what was not is asked again.
"""

import asyncio
import secrets
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from puna.errors import BadRequestError, NotFoundError
from puna.jobs.batches_files import BatchBounds, BatchFiles, used
from puna.jobs.batches_items import BatchItem, NewBatch, Usage, error_line
from puna.jobs.batches_lines import Lines
from puna.jobs.batches_tables import ANSWERED, FAILED, OPEN, PENDING, SCHEMA, batch_objects, find_file
from puna.jobs.database import Database
from puna.jobs.process import is_alive, this_process

if TYPE_CHECKING:
    from sqlite3 import Connection

_STOPPED = b'"code":"batch_'
"""What stands in the lines that ``stop`` writes, and in no others: in a text the quotes would be escaped."""
_OUTPUT_NAMES = {ANSWERED: "output", FAILED: "errors"}


class Journal:
    """All batches of one ``home``. Methods raise ``NotFoundError`` for what ``owner`` does not have."""

    def __init__(self, home: Path, bounds: BatchBounds) -> None:
        self._database = Database(home / "batches.db", SCHEMA, self._prepare)
        self._bounds = bounds
        self._process = this_process()
        self.files = BatchFiles(home / "files", self._database, bounds)

    @property
    def is_on(self) -> bool:
        """Return whether batches are taken."""
        return self._bounds.size > 0

    @property
    def exists(self) -> bool:
        """Return whether there ever was one."""
        return self._database.exists

    async def close(self) -> None:
        """Let go of the file."""
        await self._database.close()

    async def add(self, owner: str, new: NewBatch) -> dict[str, Any]:
        """Begin a batch and return it."""
        now, name = time.time(), f"{new.prefix}_{secrets.token_hex(12)}"
        body = {
            "endpoint": new.endpoint,
            "completion_window": new.window_text,
            "metadata": new.metadata,
            "errors": None,
        }
        files = [f"file-{secrets.token_hex(12)}" for _ in range(2)]
        row = (name, owner, now, "validating", now + new.window, self._process, new.given, *files, new.output_age)

        def work(connection: "Connection") -> dict[str, Any]:
            batch, _ = find_file(connection, owner, new.given)
            if batch:
                raise BadRequestError("input_file_id: what a batch has made cannot be asked", param="input_file_id")
            connection.execute(
                "INSERT INTO batches"
                "(id, owner, created, status, expires, process, input, output, errors, output_age, body) "
                "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, orjson.dumps(body)),
            )
            return batch_objects(connection, "id = ?", (name,))[0]

        return await self._database.run(work)

    async def get(self, owner: str, name: str) -> dict[str, Any]:
        """Return a batch."""
        return await self._database.run(lambda connection: _batch(connection, owner, name))

    async def every(self, owner: str, prefix: str = "batch") -> list[dict[str, Any]]:
        """Return the batches of an owner whose ids begin so, the oldest first."""
        where = "owner = ? AND id GLOB ? ORDER BY created, id"
        return await self._database.run(lambda connection: batch_objects(connection, where, (owner, f"{prefix}_*")))

    async def stopped(self, name: str) -> int:
        """Return how many requests of a batch were not asked since it expired or was cancelled."""

        def work(connection: "Connection") -> int:
            told = "SELECT count(*) FROM items WHERE batch = ? AND state = ? AND instr(line, ?) > 0"
            return int(connection.execute(told, (name, FAILED, _STOPPED)).fetchone()[0])

        return await self._database.run(work)

    async def delete(self, owner: str, name: str) -> None:
        """Remove a batch that is over, with all of its files."""

        def work(connection: "Connection") -> str:
            batch = _batch(connection, owner, name)
            if batch["status"] in OPEN:
                raise BadRequestError("a batch that is not over cannot be deleted; it can be cancelled")
            given: str = batch["input_file_id"]
            connection.execute("DELETE FROM files WHERE batch = ? OR id = ?", (name, given))
            connection.execute("DELETE FROM batches WHERE id = ?", (name,))
            return given

        self.files.path(await self._database.run(work)).unlink(missing_ok=True)

    async def cancel(self, owner: str, name: str) -> dict[str, Any]:
        """Ask for the end of a batch, and return it."""

        def work(connection: "Connection") -> dict[str, Any]:
            status = _batch(connection, owner, name)["status"]
            if status in ("validating", "in_progress"):
                _turn(connection, name, "cancelling")
            elif status not in ("cancelling", "cancelled"):
                raise BadRequestError(f"a batch with the status '{status}' cannot be cancelled")
            return _batch(connection, owner, name)

        return await self._database.run(work)

    async def open_batches(self) -> list[dict[str, Any]]:
        """Return the batches that this process has to see to, the oldest first."""
        where = f"status IN {OPEN} AND process = ? ORDER BY created, id"
        return await self._database.run(lambda connection: batch_objects(connection, where, (self._process,)))

    async def begin(self, name: str, lines: Lines) -> None:
        """Take up the requests of a batch, or end it where its file cannot be used."""

        def work(connection: "Connection") -> None:
            (status,) = connection.execute("SELECT status FROM batches WHERE id = ?", (name,)).fetchone()
            if status != "validating":
                return
            if lines.errors:
                _turn(connection, name, "failed", ended=True, errors={"object": "list", "data": lines.errors})
                return
            connection.executemany(
                f"INSERT INTO items VALUES(?, ?, ?, ?, {PENDING}, ?, ?, NULL)",
                (
                    (name, line.number, place, line.custom_id, line.offset, line.length)
                    for place, line in enumerate(lines.lines)
                ),
            )
            connection.execute("UPDATE batches SET total = ? WHERE id = ?", (len(lines.lines), name))
            more: dict[str, Any] = {"model": lines.model} if lines.model else {}
            _turn(connection, name, "in_progress", **more)

        await self._database.run(work)

    async def waiting(self, busy: Collection[tuple[str, int]], held: Collection[str], limit: int) -> list[BatchItem]:
        """Return up to ``limit`` items of this process that wait, without ``busy`` ones and ``held`` owners'."""

        def work(connection: "Connection") -> list[BatchItem]:
            found: list[BatchItem] = []
            batches = connection.execute(
                "SELECT id, owner, input, body FROM batches WHERE status = 'in_progress' AND process = ? "
                "ORDER BY created, id",
                (self._process,),
            )
            for name, owner, given, body in batches.fetchall():
                if owner in held:
                    continue
                rows = connection.execute(
                    "SELECT number, custom_id, start, length FROM items WHERE batch = ? AND state = ? "
                    "ORDER BY place LIMIT ?",
                    (name, PENDING, limit + len(busy)),
                )
                endpoint = orjson.loads(body)["endpoint"]
                found += [BatchItem(name, owner, endpoint, given, *row) for row in rows if (name, row[0]) not in busy]
                if len(found) >= limit:
                    break
            return found[:limit]

        return await self._database.run(work)

    async def has_room(self, owner: str) -> bool:
        """Return whether answers of an owner may take more space."""
        return await self._database.run(lambda connection: used(connection, owner)) <= self._bounds.size

    async def write(self, item: BatchItem, line: bytes, usage: Usage | None) -> bool:
        """Write the answer to an item, or, without ``usage``, why there is none; return whether there was none yet."""
        state = FAILED if usage is None else ANSWERED
        return await self._database.run(
            lambda connection: self._write(connection, item.batch, state, [(item.number, line)], usage or Usage()) > 0
        )

    def _write(
        self, connection: "Connection", batch: str, state: int, lines: Iterable[tuple[int, bytes]], usage: Usage
    ) -> int:
        written, size = 0, 0
        for number, line in lines:
            changed = connection.execute(
                "UPDATE items SET state = ?, line = ? WHERE batch = ? AND number = ? AND state = ?",
                (state, line, batch, number, PENDING),
            ).rowcount
            written += changed
            size += len(line) * changed
        if not written:
            return 0
        column = "completed" if state == ANSWERED else "failed"
        connection.execute(
            f"UPDATE batches SET {column} = {column} + ?, prompt = prompt + ?, cached = cached + ?, "
            "answer = answer + ?, thought = thought + ? WHERE id = ?",
            (written, usage.prompt, usage.cached, usage.answer, usage.thought, batch),
        )
        kind, now = "output" if state == ANSWERED else "errors", time.time()
        connection.execute(
            f"INSERT INTO files SELECT {kind}, owner, ?, id || ?, 'batch_output', 0, NULL, id, ? FROM batches "
            "WHERE id = ? ON CONFLICT(id) DO NOTHING",
            (now, f"_{_OUTPUT_NAMES[state]}.jsonl", state, batch),
        )
        connection.execute("UPDATE files SET size = size + ? WHERE batch = ? AND state = ?", (size, batch, state))
        return written

    async def finish(self, name: str) -> bool:
        """End a batch if all of its requests are answered, and return whether it has ended."""

        def work(connection: "Connection") -> bool:
            left = connection.execute("SELECT 1 FROM items WHERE batch = ? AND state = ?", (name, PENDING)).fetchone()
            (status,) = connection.execute("SELECT status FROM batches WHERE id = ?", (name,)).fetchone()
            if left or status != "in_progress":
                return False
            _turn(connection, name, "finalizing")
            _turn(connection, name, "completed", ended=True)
            return True

        return await self._database.run(work)

    async def stop(self, name: str, status: str, code: str, reason: str) -> None:
        """End a batch as "cancelled" or "expired"; each request that has no answer is told why."""

        def work(connection: "Connection") -> None:
            rows = connection.execute(
                "SELECT number, custom_id FROM items WHERE batch = ? AND state = ?", (name, PENDING)
            ).fetchall()
            lines = ((number, error_line(custom_id, code, reason)) for number, custom_id in rows)
            self._write(connection, name, FAILED, lines, Usage())
            _turn(connection, name, status, ended=True)

        await self._database.run(work)

    def _prepare(self, connection: "Connection") -> None:
        """Take over the batches of a server that is no more."""
        rows = connection.execute(f"SELECT DISTINCT process FROM batches WHERE status IN {OPEN}").fetchall()
        for (process,) in rows:
            if process != self._process and not is_alive(process):
                connection.execute(
                    f"UPDATE batches SET process = ? WHERE process = ? AND status IN {OPEN}", (self._process, process)
                )
        self.files.sweep(connection)

    async def sweep(self) -> None:
        """Remove what is too old."""
        await self._database.run(self.files.sweep)

    async def read(self, item: BatchItem) -> bytes:
        """Return the line of the input file that an item is."""

        def work() -> bytes:
            with self.files.path(item.given).open("rb") as file:
                file.seek(item.start)
                return file.read(item.length)

        return await asyncio.to_thread(work)


def _batch(connection: "Connection", owner: str, name: str) -> dict[str, Any]:
    found = batch_objects(connection, "id = ? AND owner = ?", (name, owner))
    if not found:
        raise NotFoundError(f"No batch found with id '{name[:100]}'.")
    return found[0]


def _turn(connection: "Connection", name: str, status: str, *, ended: bool = False, **more: Any) -> None:
    """Give a batch another status, with the time of it. The files of one that ends expire as was asked."""
    now = time.time()
    (body,) = connection.execute("SELECT body FROM batches WHERE id = ?", (name,)).fetchone()
    changed = orjson.dumps(orjson.loads(body) | more | {f"{status}_at": int(now)})
    connection.execute(
        "UPDATE batches SET status = ?, body = ?, ended = ? WHERE id = ?",
        (status, changed, now if ended else None, name),
    )
    if ended:
        connection.execute(
            "UPDATE files SET expires = ?1 + (SELECT output_age FROM batches WHERE id = ?2) WHERE batch = ?2",
            (now, name),
        )
