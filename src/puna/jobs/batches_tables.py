"""The tables of the journal of batches, and the objects that their rows are, in OpenAI's form."""

from typing import TYPE_CHECKING, Any

import orjson

from puna.errors import NotFoundError

if TYPE_CHECKING:
    from sqlite3 import Connection

SCHEMA = """
CREATE TABLE IF NOT EXISTS files(
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, created REAL NOT NULL, name TEXT NOT NULL, purpose TEXT NOT NULL,
  size INTEGER NOT NULL, expires REAL, batch TEXT NOT NULL, state INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS files_by_owner ON files(owner, created);
CREATE TABLE IF NOT EXISTS batches(
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, created REAL NOT NULL, status TEXT NOT NULL, ended REAL,
  expires REAL NOT NULL, process TEXT NOT NULL, input TEXT NOT NULL, output TEXT NOT NULL, errors TEXT NOT NULL,
  output_age REAL, total INTEGER NOT NULL DEFAULT 0,
  completed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
  prompt INTEGER NOT NULL DEFAULT 0, cached INTEGER NOT NULL DEFAULT 0, answer INTEGER NOT NULL DEFAULT 0,
  thought INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS batches_by_owner ON batches(owner, created);
CREATE TABLE IF NOT EXISTS items(
  batch TEXT NOT NULL REFERENCES batches(id) ON DELETE CASCADE, number INTEGER NOT NULL, place INTEGER NOT NULL,
  custom_id TEXT NOT NULL, state INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL, line BLOB,
  PRIMARY KEY(batch, number));
CREATE INDEX IF NOT EXISTS items_by_place ON items(batch, state, place);
"""
PENDING, ANSWERED, FAILED = 0, 1, 2
"""States of an item; a file of a batch has the items of one of the last two."""
OPEN = ("validating", "in_progress", "cancelling")
"""What a batch is before it is over."""
_FILE = "id, created, name, purpose, size, expires"
_BATCH = (
    "id, created, status, expires, input, output, errors, "
    "total, completed, failed, prompt, cached, answer, thought, body"
)


def find_file(connection: "Connection", owner: str, name: str) -> tuple[str, int]:
    """Return the batch whose file this is ("" for one that was uploaded), and the state of its items."""
    row = connection.execute("SELECT batch, state FROM files WHERE id = ? AND owner = ?", (name, owner)).fetchone()
    if row is None:
        raise NotFoundError(f"No such File object: {name[:100]}")
    return row[0], row[1]


def file_objects(connection: "Connection", where: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return files as OpenAI describes them."""
    return [_file(*row) for row in connection.execute(f"SELECT {_FILE} FROM files WHERE {where}", values)]


def _file(name: str, created: float, filename: str, purpose: str, size: int, expires: float | None) -> dict[str, Any]:
    return {
        "id": name,
        "object": "file",
        "bytes": size,
        "created_at": int(created),
        "expires_at": None if expires is None else int(expires),
        "filename": filename,
        "purpose": purpose,
        "status": "processed",
        "status_details": None,
    }


def batch_objects(connection: "Connection", where: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return batches as OpenAI describes them; their files are named once something is in them."""
    return [_batch(*row) for row in connection.execute(f"SELECT {_BATCH} FROM batches WHERE {where}", values)]


def _batch(
    name: str,
    created: float,
    status: str,
    expires: float,
    given: str,
    output: str,
    errors: str,
    total: int,
    completed: int,
    failed: int,
    prompt: int,
    cached: int,
    answer: int,
    thought: int,
    body: bytes,
) -> dict[str, Any]:
    usage = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": answer,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": prompt + answer,
    }
    return {
        "id": name,
        "object": "batch",
        "status": status,
        "created_at": int(created),
        "expires_at": int(expires),
        "input_file_id": given,
        "output_file_id": output if completed else None,
        "error_file_id": errors if failed else None,
        "request_counts": {"total": total, "completed": completed, "failed": failed},
        "usage": usage,
        **orjson.loads(body),
    }
