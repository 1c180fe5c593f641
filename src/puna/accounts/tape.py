"""What was counted and is not in the file of usage yet: a line for each request, which a ``kill -9`` leaves there.

A process writes segments, each a file of its own that is locked as long as the process lives. What a segment holds goes
into the file of usage in one transaction with the segment's name, so that nothing is counted twice or not at all,
whenever the process ends. What a dead process has left, the next one to write adds.
"""

import fcntl
import logging
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from puna.accounts.usage import Counts, Place

if TYPE_CHECKING:
    from puna.accounts.store import Store

_PREFIX, _SUFFIX = "usage-", ".tape"
_log = logging.getLogger(__name__)


class Tape:
    """The segments of one process in ``directory``. For one thread, but for ``drop``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor = -1
        self._name = ""
        self._older: list[tuple[str, int]] = []
        self._failed = False

    def note(self, place: Place, counts: Counts) -> None:
        """Write one line. Where that fails, what a kill would lose is what is in memory, and the log says so."""
        line = orjson.dumps([*place, *counts.numbers()], option=orjson.OPT_APPEND_NEWLINE)
        try:
            if self._descriptor < 0:
                self._begin()
            if os.write(self._descriptor, line) != len(line):
                raise OSError(None, "no space left on the disk")
        except OSError as error:
            if not self._failed:
                _log.warning("usage is safe from a kill only once it is written: %s", error.strerror)
            self._failed = True

    def _begin(self) -> None:
        name = f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
        descriptor = os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a file system without locks: the next request comes here again
            (self._directory / name).unlink()
            os.close(descriptor)
            raise
        self._name, self._descriptor = name, descriptor

    def turn(self) -> list[str]:
        """End the segment, so that what follows has another; return the names of those that are not dropped yet."""
        if self._descriptor >= 0:
            self._older.append((self._name, self._descriptor))
            self._descriptor = -1
        return [name for name, _ in self._older]

    def drop(self, names: Iterable[str]) -> None:
        """Remove segments that are in the file of usage now."""
        gone = set(names)
        for name, descriptor in self._older:
            if name in gone:
                with suppress(OSError):
                    (self._directory / name).unlink()
                os.close(descriptor)
        self._older = [entry for entry in self._older if entry[0] not in gone]
        self._failed = False

    def close(self) -> None:
        """Let go of the segments; what they hold the next process adds."""
        self.turn()
        for _, descriptor in self._older:
            os.close(descriptor)
        self._older = []


def recover(store: "Store", directory: Path) -> None:
    """Add what dead processes have counted in ``directory`` and not written. Raises ``AccountsError``.

    A segment that cannot be read stays where it is, and the log says so.
    """
    for path in directory.glob(f"{_PREFIX}*{_SUFFIX}"):
        try:
            _recover(store, path)
        except (FileNotFoundError, BlockingIOError):  # another has just added it, or its process lives
            continue
        except OSError as error:
            _log.warning("usage cannot be added from %s: %s", path, error.strerror)


def _recover(store: "Store", path: Path) -> None:
    with path.open("r+b") as file:  # NFS lets nobody lock a file for himself that is open for reading alone
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            store.add(_added_up(file.read()), segments=[path.name])
            path.unlink(missing_ok=True)


def _added_up(data: bytes) -> Mapping[Place, Counts]:
    sums: dict[Place, Counts] = {}
    for place, counts in _read(data):
        sums.setdefault(place, Counts()).add(counts)
    return sums


def _read(data: bytes) -> Iterator[tuple[Place, Counts]]:
    for line in data.splitlines():
        try:
            values = orjson.loads(line)
            yield Place(*values[:3]), Counts(*values[3:])
        except (orjson.JSONDecodeError, TypeError):  # the disk was full in the middle of it
            continue
