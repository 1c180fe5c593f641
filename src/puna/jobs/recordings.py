"""Requests and their answers as they were, kept to be asked again: encrypted, bounded in size and age.

Of a recording the disk knows an id, a time and a size; all else is sealed (AES-256-GCM) with a key that is made of the
user's file. Each row says which key has sealed it, so that those of a key that is gone are known as such.
"""

import asyncio
import logging
import math
import secrets
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from puna.cipher import opened, sealed
from puna.errors import NotFoundError, PunaError
from puna.jobs.database import Database, StorageError
from puna.secret_file import kept_secret
from puna.settings import Settings

if TYPE_CHECKING:
    from sqlite3 import Connection

_SCHEMA = """
CREATE TABLE IF NOT EXISTS recordings(
    id TEXT PRIMARY KEY, created REAL NOT NULL, size INTEGER NOT NULL, key BLOB NOT NULL,
    head BLOB NOT NULL, asked BLOB NOT NULL, said BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS recordings_created ON recordings(created);
"""
_PARTS = ("head", "asked", "said")
_LEAST_SECRET, _MADE_SECRET, _ID_BYTES = 16, 32, 8
_ENTRY = 200
"""Bytes that a row takes besides what is in it."""
_AGAIN = 60.0
"""Seconds after which the log says again that nothing can be kept."""
_log = logging.getLogger(__name__)


class KeyFileError(PunaError):
    """The file with the key to the recordings cannot be used, or is not the one that they were made with."""

    status = 409


class DamagedError(PunaError):
    """What lies in a recording is not what was sealed."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One request: ``head`` has what is listed of it, ``asked`` its body as it came, ``said`` its answer."""

    head: Mapping[str, Any]
    asked: bytes
    said: Mapping[str, Any]


class KeyFile:
    """The user's file whose bytes make the key. One of Puna's own choice (``made``) is made when it is first needed."""

    def __init__(self, path: Path, *, made: bool) -> None:
        self.path = path
        self._made = made

    @classmethod
    def of(cls, settings: Settings) -> "KeyFile":
        """Return the file that the settings name, or Puna's own."""
        chosen = settings.record_key
        return cls(chosen or settings.home / "record.key", made=chosen is None)

    def key(self) -> bytes:
        """Return the key, of 32 bytes; raise ``KeyFileError``."""
        try:
            secret = kept_secret(self.path, _MADE_SECRET) if self._made else self.path.read_bytes()
        except OSError as error:
            raise KeyFileError(f"the key to the recordings cannot be read: {error.strerror}: {self.path}") from error
        if len(secret) < _LEAST_SECRET:
            raise KeyFileError(f"{self.path} is no key: it must have at least {_LEAST_SECRET} random bytes")
        return sha256(b"puna recordings\n" + secret).digest()


class Recordings:
    """All recordings of one home, bounded in size and age as its settings say."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.home / "recordings.db", _SCHEMA, lambda _: None)
        self._key_file = KeyFile.of(settings)
        self._size, self._age = settings.record_size, settings.record_age
        self._complained = -math.inf
        self._writing: set[asyncio.Task[None]] = set()

    @property
    def exists(self) -> bool:
        """Return whether there ever was one."""
        return self._database.exists

    async def close(self) -> None:
        """Write what is left, and let go of the file."""
        await asyncio.gather(*self._writing)
        await self._database.close()

    async def keep_bounded(self) -> None:
        """Remove what is too old, now and from time to time; it ends by being cancelled."""
        await self._database.sweep(self._shrink)

    async def begin(self) -> None:
        """Say in the log what is recorded, or why nothing is; raise ``KeyFileError`` for a key file without a key."""
        key = self._key_file.key()
        _log.warning("requests and their answers are recorded, sealed with the key in %s", self.where)
        if not self.exists:
            return
        try:
            others = await self._database.run(lambda connection: _not_of(connection, _id(key)))
        except StorageError as error:
            _log.error("requests are not recorded: %s", error)
            return
        if others:
            _log.warning("%d recordings cannot be opened: they were made with another key", others)

    @property
    def where(self) -> Path:
        """Return the path of the key file."""
        return self._key_file.path

    def keep(self, recording: Recording) -> None:
        """Keep a recording as ``add`` does, while its request goes on to its end."""
        task = asyncio.create_task(self.add(recording))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def add(self, recording: Recording) -> None:
        """Keep a recording. What cannot be kept is lost, and the log says why: requests go on all the same."""
        try:
            await self._database.run(lambda connection: self._write(connection, recording))
        except (StorageError, KeyFileError) as error:
            if time.monotonic() - self._complained > _AGAIN:
                self._complained = time.monotonic()
                _log.error("requests are not recorded: %s", error)

    def _write(self, connection: "Connection", recording: Recording) -> None:
        key, name = self._key_file.key(), recording.head["id"]
        parts = orjson.dumps(recording.head), recording.asked, orjson.dumps(recording.said)
        blobs = [
            sealed(key, zlib.compress(part, 1), f"{name} {kind}") for kind, part in zip(_PARTS, parts, strict=True)
        ]
        size = sum(map(len, blobs)) + _ENTRY
        if size > self._size:
            _log.warning("request %s is too large to be recorded (PUNA_RECORD_SIZE)", recording.head["request"])
            return
        row = (name, time.time(), size, _id(key), *blobs)
        connection.execute("INSERT INTO recordings VALUES(?, ?, ?, ?, ?, ?, ?)", row)
        self._shrink(connection)

    def _shrink(self, connection: "Connection") -> None:
        """Remove what is too old, then the oldest, until the rest is as little as may be kept."""
        if self._age >= 0:
            connection.execute("DELETE FROM recordings WHERE created < ?", (time.time() - self._age,))
        (size,) = connection.execute("SELECT total(size) FROM recordings").fetchone()
        gone = []
        for name, freed in connection.execute("SELECT id, size FROM recordings ORDER BY created"):
            if size <= self._size:
                break
            gone.append((name,))
            size -= freed
        connection.executemany("DELETE FROM recordings WHERE id = ?", gone)
        connection.execute("PRAGMA incremental_vacuum").fetchall()

    async def heads(self, since: float, limit: int) -> list[dict[str, Any]]:
        """Return what is listed of the recordings since a time (seconds since the epoch), the newest first.

        Those of another key are left out; raises ``KeyFileError`` if there are no others.
        """
        if not self.exists:
            return []
        key = self._key_file.key()
        own = _id(key)

        def work(connection: "Connection") -> Sequence[tuple[str, bytes, bytes]]:
            return connection.execute(
                "SELECT id, key, head FROM recordings WHERE created >= ? ORDER BY created DESC, rowid DESC LIMIT ?",
                (since, limit),
            ).fetchall()

        rows = await self._database.run(work)
        mine = [(name, head) for name, owner, head in rows if owner == own]
        if rows and not mine:
            raise KeyFileError(f"the recordings were made with another key than that in {self.where}")
        return [orjson.loads(self._open(key, name, "head", head)) for name, head in mine]

    async def get(self, name: str) -> Recording:
        """Return a recording by its id, or the beginning of it; raise ``NotFoundError`` or ``KeyFileError``."""

        def work(connection: "Connection") -> list[tuple[Any, ...]]:
            # GLOB would give "*" a meaning.
            return connection.execute(
                "SELECT id, key, head, asked, said FROM recordings WHERE substr(id, 1, ?) = ? LIMIT 2",
                (len(name), name),
            ).fetchall()

        rows = await self._database.run(work) if name and self.exists else []
        if len(rows) != 1:
            raise NotFoundError(f"there is no recording '{name[:100]}'" if not rows else f"'{name}' may be several")
        key = self._key_file.key()
        found, owner, *blobs = rows[0]
        if owner != _id(key):
            raise KeyFileError(f"recording {found} was made with another key than that in {self.where}")
        head, asked, said = (self._open(key, found, kind, blob) for kind, blob in zip(_PARTS, blobs, strict=True))
        return Recording(orjson.loads(head), asked, orjson.loads(said))

    async def remove(self, name: str = "") -> int:
        """Remove a recording, or all of them, also those of a key that is gone; return how many there were."""
        if not self.exists:
            return 0

        def work(connection: "Connection") -> int:
            where = "1" if not name else "id = ?"
            gone = connection.execute(f"DELETE FROM recordings WHERE {where}", (name,) if name else ()).rowcount
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            return gone

        return await self._database.run(work)

    def _open(self, key: bytes, name: str, kind: str, blob: bytes) -> bytes:
        data = opened(key, blob, f"{name} {kind}")
        if data is None:
            raise DamagedError(f"recording {name} is damaged")
        return zlib.decompress(data)


def new_name() -> str:
    """Return an id for a new recording."""
    return secrets.token_hex(6)


def _id(key: bytes) -> bytes:
    return sha256(key + b"id").digest()[:_ID_BYTES]


def _not_of(connection: "Connection", mine: bytes) -> int:
    count: int = connection.execute("SELECT count(*) FROM recordings WHERE key != ?", (mine,)).fetchone()[0]
    return count
