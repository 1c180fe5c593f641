"""Files that are uploaded for batches, and those that batches make: the first lie in a directory, the others are read
out of the journal."""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from puna.errors import BadRequestError, PunaError
from puna.jobs.batches_tables import OPEN, file_objects, find_file
from puna.jobs.database import Database, StorageError

if TYPE_CHECKING:
    from sqlite3 import Connection

_PART = 1 << 16
_ROWS = 100
_ABANDONED = 3600.0
"""Seconds after which a file that no row names is nobody's upload any more."""


class BatchSpaceError(PunaError):
    """The files and answers of a key take all the space that they may."""

    status = 507

    def __init__(self) -> None:
        super().__init__("the files and answers of batches take all the space that they may (PUNA_BATCHES)")


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """How much is kept for each owner, in bytes, and for how long after its end, in seconds (negative: for ever)."""

    size: int
    age: float


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is to be kept: its name, its bytes, and for how many seconds (``None``: as long as others)."""

    name: str
    source: BinaryIO
    age: float | None = None


class BatchFiles:
    """The files of one journal. Methods raise ``NotFoundError`` for what ``owner`` does not have."""

    def __init__(self, directory: Path, database: Database, bounds: BatchBounds) -> None:
        self._directory = directory
        self._database = database
        self._bounds = bounds

    def path(self, name: str) -> Path:
        """Return where the bytes of an uploaded file lie."""
        return self._directory / name

    async def add(self, owner: str, upload: Upload) -> dict[str, Any]:
        """Keep a file; raise ``BatchSpaceError`` where that would be more than may be kept."""
        name, now = f"file-{secrets.token_hex(12)}", time.time()
        size = upload.source.seek(0, os.SEEK_END)
        age = upload.age if upload.age is not None else self._bounds.age
        row = (name, owner, now, upload.name, "batch", size, None if age < 0 else now + age, "", 0)

        def work(connection: "Connection") -> list[dict[str, Any]]:
            connection.execute("INSERT INTO files VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            if used(connection, owner) > self._bounds.size:
                raise BatchSpaceError
            return file_objects(connection, "id = ?", (name,))

        await asyncio.to_thread(self._write, upload.source, name)
        try:
            return (await self._database.run(work))[0]
        except BaseException:
            self.path(name).unlink(missing_ok=True)
            raise

    def _write(self, source: BinaryIO, name: str) -> None:
        source.seek(0)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(self.path(name), "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                shutil.copyfileobj(source, file, _PART)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.path(name).unlink(missing_ok=True)
            raise StorageError(self._directory, error) from error

    async def every(self, owner: str, purpose: str) -> list[dict[str, Any]]:
        """Return the files of a purpose, "" for any, the oldest first."""
        where = "owner = ?1 AND (?2 = '' OR purpose = ?2) ORDER BY created, id"
        return await self._database.run(lambda connection: file_objects(connection, where, (owner, purpose)))

    async def get(self, owner: str, name: str) -> dict[str, Any]:
        """Return a file."""

        def work(connection: "Connection") -> dict[str, Any]:
            find_file(connection, owner, name)
            return file_objects(connection, "id = ?", (name,))[0]

        return await self._database.run(work)

    async def content(self, owner: str, name: str) -> AsyncIterator[bytes]:
        """Return the bytes of a file; those of a batch that is under way are what has been answered so far."""
        batch, state = await self._database.run(lambda connection: find_file(connection, owner, name))
        if batch:
            return self._lines(batch, state)
        try:
            return _parts(await asyncio.to_thread(self.path(name).open, "rb"))
        except OSError as error:
            raise StorageError(self.path(name), error) from error

    async def _lines(self, batch: str, state: int) -> AsyncIterator[bytes]:
        last = -1
        while True:

            def work(connection: "Connection", after: int = last) -> list[tuple[int, bytes]]:
                return connection.execute(
                    "SELECT number, line FROM items WHERE batch = ? AND state = ? AND number > ? AND line IS NOT NULL "
                    "ORDER BY number LIMIT ?",
                    (batch, state, after, _ROWS),
                ).fetchall()

            rows = await self._database.run(work)
            if not rows:
                return
            last = rows[-1][0]
            yield b"".join(line for _, line in rows)

    async def delete(self, owner: str, name: str) -> None:
        """Remove a file, unless a batch is at work with it."""

        def work(connection: "Connection") -> bool:
            batch, state = find_file(connection, owner, name)
            open_ones = connection.execute(
                f"SELECT 1 FROM batches WHERE status IN {OPEN} AND (id = ? OR input = ?)", (batch, name)
            )
            if open_ones.fetchone():
                raise BadRequestError("the file belongs to a batch that is not over")
            if batch:
                _empty(connection, batch, state)
            connection.execute("DELETE FROM files WHERE id = ?", (name,))
            return not batch

        if await self._database.run(work):
            self.path(name).unlink(missing_ok=True)

    def sweep(self, connection: "Connection") -> None:
        """Remove what has expired, and what no row names."""
        now = time.time()
        gone = connection.execute(
            f"SELECT id, batch, state FROM files WHERE expires < ? AND id NOT IN "
            f"(SELECT input FROM batches WHERE status IN {OPEN})",
            (now,),
        ).fetchall()
        for name, batch, state in gone:
            if batch:
                _empty(connection, batch, state)
            connection.execute("DELETE FROM files WHERE id = ?", (name,))
            self.path(name).unlink(missing_ok=True)
        if self._bounds.age >= 0:
            connection.execute("DELETE FROM batches WHERE ended < ?", (now - self._bounds.age,))
            connection.execute("DELETE FROM files WHERE batch != '' AND batch NOT IN (SELECT id FROM batches)")
        known = {row[0] for row in connection.execute("SELECT id FROM files WHERE batch = ''")}
        with suppress(FileNotFoundError):
            for path in self._directory.iterdir():
                if path.name not in known and path.stat().st_mtime < now - _ABANDONED:
                    path.unlink(missing_ok=True)


def used(connection: "Connection", owner: str) -> int:
    """Return the bytes that the files of an owner take, those of batches among them."""
    (size,) = connection.execute("SELECT total(size) FROM files WHERE owner = ?", (owner,)).fetchone()
    return int(size)


def _empty(connection: "Connection", batch: str, state: int) -> None:
    connection.execute("UPDATE items SET line = NULL WHERE batch = ? AND state = ?", (batch, state))


async def _parts(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while part := await asyncio.to_thread(file.read, _PART):
            yield part
