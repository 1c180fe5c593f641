"""The SQLite file of keys and usage, which servers and commands share. Every method raises ``AccountsError``."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import orjson

from puna.accounts.errors import AccountsError
from puna.accounts.grant import granted
from puna.accounts.keys import Key
from puna.accounts.limits import MeterState
from puna.accounts.usage import FIRST_DAY, LAST_DAY, Counts, Place, UsageRow
from puna.disk import fault_of
from puna.errors import BadRequestError

_BUSY_SECONDS = 5.0
_VERSION = 1
_KEPT_DAYS = 400
_SCHEMA = """
CREATE TABLE key (
    name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL, words TEXT NOT NULL,
    created REAL NOT NULL, expires REAL, revoked REAL
) STRICT, WITHOUT ROWID;
CREATE TABLE usage (
    day TEXT NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL, prompt INTEGER NOT NULL,
    cached INTEGER NOT NULL, generated INTEGER NOT NULL, nanoseconds INTEGER NOT NULL, refusals INTEGER NOT NULL,
    PRIMARY KEY (day, key, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE metered (
    key TEXT NOT NULL, kind TEXT NOT NULL, seconds INTEGER NOT NULL, began REAL NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (key, kind)
) STRICT, WITHOUT ROWID;
"""
_ADD = """
INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, prompt = prompt + excluded.prompt, cached = cached + excluded.cached,
    generated = generated + excluded.generated, nanoseconds = nanoseconds + excluded.nanoseconds,
    refusals = refusals + excluded.refusals
"""
_OWNERS = "CREATE TABLE IF NOT EXISTS owner (key TEXT PRIMARY KEY, owner TEXT NOT NULL) STRICT, WITHOUT ROWID"
_KEYS = """
SELECT name, id, hash, words, created, expires, revoked, coalesce(owner, name)
FROM key LEFT JOIN owner ON owner.key = name ORDER BY name
"""
_WRITTEN = "CREATE TABLE IF NOT EXISTS written (segment TEXT PRIMARY KEY) STRICT"


class Store:
    """A connection to the file at ``path``, which is made if it is missing and ``create`` says so. For one thread.

    Readers do not wait for writers (WAL); a writer waits for another up to ``busy`` seconds.
    """

    def __init__(self, path: Path, *, create: bool = True, busy: float = _BUSY_SECONDS) -> None:
        self._path = path
        with self._explained():
            if create:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _make(path)
            self._db = sqlite3.connect(
                f"file:{_quoted(path)}?mode=rw", busy, isolation_level=None, check_same_thread=False, uri=True
            )
        try:
            with self._explained():
                self._db.execute("PRAGMA journal_mode = WAL").fetchall()
                self._db.execute("PRAGMA synchronous = FULL").fetchall()
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        with self._explained():
            self._db.close()

    def _prepare(self) -> None:
        if self._version() == 0:
            with self._writing():
                if self._version() == 0:  # else another program has just made them
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {_VERSION}")
        if self._version() > _VERSION:
            raise AccountsError(f"{self._path} is of a newer version of Puna")
        with self._explained():
            self._db.execute(_OWNERS)

    def _version(self) -> int:
        with self._explained():
            version: int = self._db.execute("PRAGMA user_version").fetchall()[0][0]
            return version

    def change_count(self) -> int:
        """Return a number that differs from the last one if another connection has changed the file meanwhile."""
        with self._explained():
            count: int = self._db.execute("PRAGMA data_version").fetchall()[0][0]
            return count

    def keys(self) -> list[Key]:
        """Return all keys by name, also those that are revoked or have expired."""
        with self._explained():
            rows = self._db.execute(_KEYS).fetchall()
        try:
            return [
                Key(
                    name=name,
                    id=identifier,
                    hash=digest,
                    grant=granted(orjson.loads(words)),
                    created=created,
                    expires=expires,
                    revoked=revoked,
                    owner=owner,
                )
                for name, identifier, digest, words, created, expires, revoked, owner in rows
            ]
        except (ValueError, BadRequestError) as error:
            raise AccountsError(f"{self._path}: {error}") from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Key]]:
        """Give all keys by name; those that are put in their places are written at the end, all or none."""
        with self._writing():
            before = {key.name: key for key in self.keys()}
            after = dict(before)
            yield after
            changed = [key for name, key in after.items() if key is not before.get(name)]
            self._db.executemany(
                "INSERT OR REPLACE INTO key VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        key.name,
                        key.id,
                        key.hash,
                        orjson.dumps(key.grant.to_words()).decode(),
                        key.created,
                        key.expires,
                        key.revoked,
                    )
                    for key in changed
                ],
            )
            owners = [(key.name, key.owner) for key in changed]
            self._db.executemany("INSERT OR REPLACE INTO owner VALUES (?, ?)", owners)

    def add(
        self,
        usage: Mapping[Place, Counts],
        metered: Sequence[MeterState] = (),
        segments: Sequence[str] = (),
    ) -> None:
        """Add what was counted, and keep how far quotas are used; all or nothing of it.

        ``segments`` are the names of what the counts were written down in before: nothing is added of them twice.
        """
        with self._writing():
            if segments:
                self._db.execute(_WRITTEN)
                rows = [(name,) for name in segments]
                if self._db.executemany("INSERT OR IGNORE INTO written VALUES (?)", rows).rowcount == 0:
                    return
                # A segment of which a crash has left the file is known by its name; a few are enough.
                self._db.execute("DELETE FROM written WHERE rowid <= (SELECT max(rowid) FROM written) - 10000")
            self._db.executemany(_ADD, [(*place, *counts.numbers()) for place, counts in usage.items()])
            self._db.executemany("INSERT OR REPLACE INTO metered VALUES (?, ?, ?, ?, ?)", metered)

    def metered(self) -> list[MeterState]:
        """Return how far quotas were used when that was last written."""
        with self._explained():
            return self._db.execute("SELECT key, kind, seconds, began, used FROM metered").fetchall()

    def usage(self, since: str = FIRST_DAY, until: str = LAST_DAY, key: str | None = None) -> list[UsageRow]:
        """Return what was used from one day to another (``2026-11-27``, in UTC, both included), of one key or all."""
        with self._explained():
            rows = self._db.execute(
                "SELECT * FROM usage WHERE day >= ? AND day <= ? AND (?3 IS NULL OR key = ?3) ORDER BY day, key, model",
                (since, until, key),
            ).fetchall()
        return [UsageRow(Place(*row[:3]), Counts(*row[3:])) for row in rows]

    def forget_old(self) -> None:
        """Remove the usage of more than 400 days ago."""
        oldest = time.strftime("%Y-%m-%d", time.gmtime(time.time() - _KEPT_DAYS * 86400))
        with self._writing():
            self._db.execute("DELETE FROM usage WHERE day < ?", (oldest,))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            status, words = fault_of(error)
            raise AccountsError(f"{words}: {self._path}", status) from error


def _make(path: Path) -> None:
    """Make the file if it is missing, for this user alone; SQLite gives its side files the same mode.

    A file that is there is not opened: to close it again would drop the locks of every connection of this process.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
