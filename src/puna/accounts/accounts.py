"""Keys, limits and usage of one server."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from puna.accounts.errors import KeyForbidsError, LimitError
from puna.accounts.grant import INFER
from puna.accounts.keys import Key
from puna.accounts.ledger import Ledger
from puna.accounts.limits import Meter, Meters, MeterState
from puna.accounts.ring import KeyRing
from puna.telemetry.record import Record, Subscriber

if TYPE_CHECKING:
    from puna.accounts.store import Store

T = TypeVar("T")
FILE = "accounts.db"
"""The name of the file in Puna's home."""


def has_keys(home: Path) -> bool:
    """Return whether a server with this home asks for keys; raise ``AccountsError`` if that cannot be told."""
    if not (home / FILE).exists():
        return False
    from puna.accounts.store import Store  # SQLite is loaded only where there are keys

    with Store(home / FILE, create=False) as store:
        return bool(store.keys())


class Accounts:
    """What a server knows of keys. As long as there is none it costs one look at the file system for each request."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE
        self._ring = KeyRing(self.path)
        self._meters = Meters()
        self.ledger = Ledger(self.path, self._metered)
        self._is_restored = False

    @property
    def is_guarded(self) -> bool:
        """Return whether a key is needed, as the file is at this moment."""
        if self._ring.refresh():
            self._meters.keep(self._ring.grants)
            if not self._is_restored:
                self._is_restored = True
                self._meters.restore(self._ring.metered())
        return self._ring.is_guarded

    @property
    def find(self) -> Callable[[str], Key | None]:
        """Return the look-up of keys by their text; it raises ``AccountsError`` if they cannot be read."""
        return self._ring.find

    def owning(self, owner: str) -> Key | None:
        """Return the key of an owner as it is at this moment, ``None`` where it lets nobody in any more."""
        return self._ring.owning(owner) if self.is_guarded else None

    @contextmanager
    def admitted(self, owner: str, path: str, id_: str = "") -> Iterator[Key]:
        """Give the key of an owner as it is now, and count a request that asks something of a model with it.

        For requests that come by no connection of their own. ``id_`` is that of the key, where it must be the same
        still. Raises ``KeyForbidsError`` or ``LimitError``.
        """
        key = self.owning(owner)
        if key is None or (id_ and key.id != id_):
            raise KeyForbidsError("the key that asks for this is not valid any more")
        if not (key.grant.may(INFER) and key.grant.may_call(path)):
            self.refuse(key)
            raise KeyForbidsError("this key may not use this route")
        meter = self.meter(key)
        try:
            meter.begin(key.grant)
        except LimitError:
            self.refuse(key)
            raise
        try:
            yield key
        finally:
            meter.end()

    def meter(self, key: Key) -> Meter:
        """Return what counts the limits of a key."""
        return self._meters.of(key.name)

    def refuse(self, key: Key) -> None:
        """Count a request that was refused."""
        self.ledger.refuse(key.name)

    def subscribers(self, others: Sequence[Subscriber]) -> Sequence[Subscriber]:
        """Return who is told of requests that are over: ``others``, and the ledger while there are keys."""
        return (*others, self._note)

    def _note(self, record: Record) -> None:
        if not self._ring.is_guarded:
            return
        self.ledger.note(record)
        if grant := self._ring.grants.get(record.key):
            self._meters.of(record.key).take(grant, record.prompt + record.generated)

    def _metered(self) -> Sequence[MeterState]:
        return list(self._meters.states(self._ring.grants))

    async def read(self, work: "Callable[[Store], list[T]]") -> list[T]:
        """Return what ``work`` reads in the file, in a thread; nothing where there is no file."""
        return await self.write(work) if self.path.exists() else []

    async def write(self, work: "Callable[[Store], T]") -> T:
        """Return what ``work`` does with the file, in a thread; the file is made if it is missing."""

        def run() -> T:
            from puna.accounts.store import Store  # SQLite is loaded only where there are keys

            with Store(self.path) as store:
                return work(store)

        return await asyncio.to_thread(run)

    async def close(self) -> None:
        """Write what was used, and let go of the file."""
        await self.ledger.close()
        self._ring.close()
