"""The keys in memory, as the file has them at this moment: looked at before each request, read when it has changed."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from puna.accounts.errors import AccountsError
from puna.accounts.grant import Grant
from puna.accounts.keys import Key, find

if TYPE_CHECKING:
    from puna.accounts.limits import MeterState
    from puna.accounts.store import Store

_log = logging.getLogger(__name__)
_BUSY_SECONDS = 0.25
"""For how long the event loop may wait for another program, which holds up readers only while it mends the file."""


class KeyRing:
    """All keys of the file at ``path``. For one thread.

    Once there has been a key, revoked or not, the server stays guarded until its end: with a file that is gone or
    cannot be read nobody has a key, which must not mean that nobody needs one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._store: Store | None = None
        self._file: tuple[int, int] | None = None
        self._count = 0
        self._fault: AccountsError | None = None
        self._had_keys = False
        self._by_id: Mapping[str, Key] = {}
        self.grants: Mapping[str, Grant] = {}
        """What each key that is not revoked may do, by its name."""

    @property
    def is_guarded(self) -> bool:
        """Return whether a key is needed."""
        return self._had_keys or self._fault is not None

    def find(self, text: str) -> Key | None:
        """Return the valid key that ``text`` is, or ``None``; raise ``AccountsError`` if no key can be read."""
        key = find(self._by_id, text)
        if self._fault is not None:
            raise AccountsError("the keys cannot be read; see the log of the server", self._fault.status)
        return key

    def owning(self, owner: str) -> Key | None:
        """Return the valid key whose is what is stored with this ``owner``."""
        return next((key for key in self._by_id.values() if key.owner == owner and key.is_valid), None)

    def refresh(self) -> bool:
        """Look whether the file has changed and read it if so; return whether it was read. Takes microseconds else."""
        try:
            stat = os.stat(self.path)  # noqa: PTH116 - before each request: a Path takes longer
        except (FileNotFoundError, NotADirectoryError):
            if self._store is not None or self._had_keys:
                self._fail(AccountsError(f"the keys are gone: {self.path}"))
            return False
        except OSError as error:
            self._fail(AccountsError(f"{error.strerror}: {self.path}"))
            return False
        try:
            return self._read((stat.st_dev, stat.st_ino))
        except AccountsError as error:
            if self._fault is not None or error.status != 503 or self._store is None:
                self._fail(error)
            return False

    def _read(self, file: tuple[int, int]) -> bool:
        if self._store is None or self._file != file:
            from puna.accounts.store import Store  # SQLite is loaded only where there are keys

            self.close()
            self._store = Store(self.path, create=False, busy=_BUSY_SECONDS)
            self._file, self._count = file, -1
        count = self._store.change_count()
        if count == self._count and self._fault is None:
            return False
        keys = self._store.keys()
        self._count, self._fault = count, None
        self._had_keys = self._had_keys or bool(keys)
        self._by_id = {key.id: key for key in keys}
        self.grants = {key.name: key.grant for key in keys if key.revoked is None}
        return True

    def metered(self) -> "list[MeterState]":
        """Return how far quotas were used when that was last written."""
        return self._store.metered() if self._store else []

    def close(self) -> None:
        """Let go of the file."""
        if self._store is not None:
            self._store.close()
            self._store = self._file = None

    def _fail(self, error: AccountsError) -> None:
        if self._fault is None:
            _log.error("nobody is let in by a key: %s", error)
        self._fault = error
        self._by_id, self.grants = {}, {}
        self._file = None  # so that it is opened anew
