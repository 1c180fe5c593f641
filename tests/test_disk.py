"""What is said when a file cannot be used."""

import errno
import sqlite3
from pathlib import Path

import pytest

from puna.accounts.errors import AccountsError
from puna.accounts.store import Store
from puna.disk import fault_of
from puna.jobs.database import Database, StorageError

TABLE = "CREATE TABLE IF NOT EXISTS t (x)"


def full(connection: sqlite3.Connection) -> None:
    """Write more than the file may have pages."""
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")


async def test_a_full_disk_is_507_for_what_outlives_a_connection(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", TABLE, lambda _: None)
    with pytest.raises(StorageError, match=r"a\.db cannot be used: no space left on the disk") as caught:
        await database.run(full)
    assert caught.value.status == 507
    await database.close()


async def test_a_file_that_is_no_database_is_the_servers_fault(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("nothing of the kind" * 100)
    database = Database(tmp_path / "a.db", TABLE, lambda _: None)
    with pytest.raises(StorageError, match="the file is no database") as caught:
        await database.run(lambda _: None)
    assert caught.value.status == 500
    await database.close()
    with pytest.raises(AccountsError, match="the file is no database"):
        Store(tmp_path / "a.db")


def test_extended_codes_are_those_that_they_extend() -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = "SQLITE_BUSY_SNAPSHOT"
    assert fault_of(error) == (503, "another program holds the file")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    assert fault_of(error)[0] == 507
    assert fault_of(OSError(errno.EDQUOT, "…"))[0] == 507
    assert fault_of(sqlite3.Error("odd")) == (500, "odd")
