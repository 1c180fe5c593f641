"""The file of SQLite that jobs share."""

import asyncio
import os
from pathlib import Path
from sqlite3 import Connection

import pytest

from puna.jobs.database import Database, StorageError


def opened_by_us(path: Path) -> int:
    return sum(os.path.realpath(name) == str(path) for name in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a system that does not list what is open")
def test_a_file_that_cannot_be_prepared_does_not_stay_open(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"

    def prepare(_connection: Connection) -> None:
        raise PermissionError(13, "Permission denied")

    async def run() -> None:
        database = Database(path, "", prepare)
        for _ in range(3):
            with pytest.raises(StorageError, match="permission denied"):
                await database.run(lambda _: None)
        await database.close()

    asyncio.run(run())
    assert opened_by_us(path) == 0
