"""Where commands keep keys: in the file on the server's machine, or through the server."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from puna.accounts import changes
from puna.accounts.accounts import FILE
from puna.accounts.keys import is_key
from puna.accounts.store import Store
from puna.accounts.tape import recover
from puna.accounts.usage import between
from puna.cli.client import Client
from puna.cli.connection import connected
from puna.settings import Settings

_PATH = "/api/puna/keys"
T = TypeVar("T")


class KeyBook(Protocol):
    """What is done with keys. Keys come and go as the API has them; every method raises ``PunaError``."""

    def keys(self) -> list[dict[str, Any]]:
        """Return all keys, also those that have ended."""
        ...

    def create(self, name: str, words: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key; its text is under ``key``."""
        ...

    def change(self, name: str, words: Mapping[str, Any]) -> dict[str, Any]:
        """Change a key in the points that ``words`` name."""
        ...

    def rotate(self, name: str) -> dict[str, Any]:
        """Give a key a new text, which is under ``key``."""
        ...

    def revoke(self, name: str) -> dict[str, Any]:
        """End a key."""
        ...

    def usage(self, since: str, until: str, key: str) -> list[dict[str, Any]]:
        """Return what was used between two days ("": without a bound), by one key or, with "", by all."""
        ...


@contextlib.contextmanager
def open_book(settings: Settings) -> Iterator[KeyBook]:
    """Give the book of the configured server.

    With a key of Puna's to present (``OLLAMA_API_KEY``), or for a server on another machine, the server is asked.
    """
    if is_key(settings.api_key) or not settings.address.is_loopback:
        with connected() as client:
            yield _OfServer(client)
    else:
        yield _OfFile(settings.home / FILE)


class _OfFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def keys(self) -> list[dict[str, Any]]:
        found = self._with(lambda store: store.keys()) if self._path.exists() else []
        return [changes.described(key) for key in found]

    def create(self, name: str, words: Mapping[str, Any]) -> dict[str, Any]:
        key, text = self._with(lambda store: changes.create(store, name, words))
        return {**changes.described(key), "key": text}

    def change(self, name: str, words: Mapping[str, Any]) -> dict[str, Any]:
        return changes.described(self._with(lambda store: changes.change(store, name, words)))

    def rotate(self, name: str) -> dict[str, Any]:
        key, text = self._with(lambda store: changes.rotate(store, name))
        return {**changes.described(key), "key": text}

    def revoke(self, name: str) -> dict[str, Any]:
        return changes.described(self._with(lambda store: changes.revoke(store, name)))

    def usage(self, since: str, until: str, key: str) -> list[dict[str, Any]]:
        first, last = between(since, until)
        if not self._path.exists():
            return []
        self._with(lambda store: recover(store, self._path.parent))
        rows = self._with(lambda store: store.usage(first, last, key or None))
        return [row.to_json() for row in rows]

    def _with(self, work: Callable[[Store], T]) -> T:
        with Store(self._path) as store:
            return work(store)


class _OfServer:
    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.get(_PATH)["keys"]
        return found

    def create(self, name: str, words: Mapping[str, Any]) -> dict[str, Any]:
        return self._client.post(_PATH, {"name": name, **words})

    def change(self, name: str, words: Mapping[str, Any]) -> dict[str, Any]:
        return self._client.patch(_of(name), words)

    def rotate(self, name: str) -> dict[str, Any]:
        return self._client.post(f"{_of(name)}/rotate", {})

    def revoke(self, name: str) -> dict[str, Any]:
        return self._client.delete(_of(name), {})

    def usage(self, since: str, until: str, key: str) -> list[dict[str, Any]]:
        asked = "&".join(f"{name}={quote(text)}" for name, text in (("since", since), ("until", until), ("key", key)))
        found: list[dict[str, Any]] = self._client.get(f"/api/puna/usage?{asked}")["usage"]
        return found


def _of(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"
