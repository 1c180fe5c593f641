"""A file of SQLite that one thread works on, so that no event loop waits for a disk.

It is in WAL mode: what was committed is there after a ``kill -9``, and what was not is as if it had never been. What is
deleted is overwritten (``secure_delete``). The file can be read by its user alone.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from puna.disk import fault_of
from puna.errors import PunaError

if TYPE_CHECKING:
    from sqlite3 import Connection

T = TypeVar("T")
_PATIENCE = 30.0
"""Seconds for which another process may write."""
_SWEEP_SECONDS = 3600.0
_PRAGMAS = (
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)
_log = logging.getLogger(__name__)


class StorageError(PunaError):
    """The file at ``path``, where something should be kept, or was, cannot be used."""

    def __init__(self, path: Path, error: Exception) -> None:
        self.status, words = fault_of(error)
        super().__init__(f"{path} cannot be used: {words}")


class Database:
    """Opens the file when it is first needed, makes its tables, and lets ``prepare`` look at it once."""

    def __init__(
        self,
        path: Path,
        schema: str,
        prepare: Callable[["Connection"], None],
        functions: Mapping[str, Callable[[bytes], bytes | None]] | None = None,
    ) -> None:
        """``functions`` are of one argument each, by the names that statements have for them."""
        self._path = path
        self._schema = schema
        self._prepare = prepare
        self._functions = functions or {}
        self._thread = ThreadPoolExecutor(1, "jobs")
        self._connection: Connection | None = None

    @property
    def exists(self) -> bool:
        """Return whether anything has ever been kept."""
        return self._path.exists()

    async def run(self, work: Callable[["Connection"], T]) -> T:
        """Return what ``work`` does in one transaction; raise ``StorageError`` if the file cannot be used.

        The work is done to its end even if nobody waits for it any more.
        """
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._do, work))

    async def sweep(self, work: Callable[["Connection"], None]) -> None:
        """Have ``work`` remove what is too old, now and from time to time; it ends by being cancelled."""
        while True:
            if self.exists:
                try:
                    await self.run(work)
                except StorageError as error:
                    _log.warning("%s", error)
            await asyncio.sleep(_SWEEP_SECONDS)

    def _do(self, work: Callable[["Connection"], T]) -> T:
        import sqlite3  # a server that keeps nothing does without

        try:
            connection = self._opened()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                return work(connection)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(self._path, error) from error

    def _opened(self) -> "Connection":
        import sqlite3

        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
            connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                for pragma in _PRAGMAS:
                    connection.execute(pragma)
                for name, function in self._functions.items():
                    connection.create_function(name, 1, function)
                connection.executescript(self._schema)
                with connection:
                    self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    async def close(self) -> None:
        """Finish what is to be written, and let go of the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown(wait=False)

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
