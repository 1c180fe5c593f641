"""Models that a node has taken from others, in the way in which two Punas exchange them (``models.registry.swarm``).

They are fetched when a request needs them, and remembered, so that they can go when the model is no more.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from yarl import URL

from puna.cluster.noted import read_words, write_words
from puna.errors import ModelNotFoundError, PunaError, UnavailableError
from puna.models.library import Library
from puna.models.manifests import Manifest
from puna.models.model import Model
from puna.models.registry.errors import TransientError
from puna.models.registry.transfers import Transfers
from puna.models.store import BlobNotFoundError
from puna.names import ModelName

_TRIES, _PAUSE = 4, 1.0
_log = logging.getLogger(__name__)


class NoCopyError(UnavailableError):
    """A model could not be taken from any node."""


class Copies:
    """The models of one node's library that are copies of others'. ``path`` is a file that remembers their names."""

    def __init__(self, library: Library, transfers: Transfers, path: Path) -> None:
        self._library = library
        self._transfers = transfers
        self._path = path
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._peers: dict[str, set[str]] = {}
        """Who was named for each model that is fetched, by all who wait for it: nodes come and go meanwhile."""
        self._writing = threading.Lock()

    def find(self, name: ModelName, digest: str) -> Model:
        """Return the model of a digest, under this name or another; raise ``ModelNotFoundError``."""
        try:
            model = self._library.get(name)
        except ModelNotFoundError:
            model = None
        if model is None or model.digest != digest:
            model = next((other for other in self._library.list().models if other.digest == digest), None)
        if model is None:
            raise ModelNotFoundError(str(name))
        return model

    async def need(self, name: ModelName, manifest: Manifest, peers: Sequence[str]) -> Model:
        """Return a model, taken from those ``peers`` (addresses) that have it, and side by side with those that take it
        too, if it is not here. Those who need the same wait for the same.

        Raises ``NoCopyError`` where none of them has it, or it cannot be kept here.
        """
        try:
            return await asyncio.to_thread(self.find, name, manifest.digest)
        except ModelNotFoundError:
            self._peers.setdefault(manifest.digest, set()).update(peers)
            task = self._fetching.get(manifest.digest)
            if task is None:
                task = asyncio.create_task(self._fetch(name, manifest))
                self._fetching[manifest.digest] = task
                task.add_done_callback(lambda done: self._over(manifest.digest, done))
            await asyncio.shield(task)
            return await asyncio.to_thread(self.find, name, manifest.digest)

    def _over(self, digest: str, task: asyncio.Task[None]) -> None:
        del self._fetching[digest], self._peers[digest]
        if not task.cancelled():
            task.exception()  # seen, should all who waited for it have gone

    async def _fetch(self, name: ModelName, manifest: Manifest) -> None:
        _log.info("model %s comes from other nodes", name)
        try:
            for left in reversed(range(_TRIES)):
                peers = self._transfers.peers.others(map(URL, self._peers[manifest.digest]))
                try:
                    await self._transfers.puller.gather(name, manifest, peers)
                    await asyncio.to_thread(self._keep, name, manifest)
                    break
                # The ingress knows that they live: they may have been too busy to answer. And a blob that another
                # model has as well may have gone with that one before this one had its name.
                except (TransientError, BlobNotFoundError):
                    if not left:
                        raise
                    await asyncio.sleep(_PAUSE)
        except PunaError as error:
            raise NoCopyError(f"model {name} could not be taken from other nodes: {error}") from error

    def _keep(self, name: ModelName, manifest: Manifest) -> None:
        """Give a model its name; another one if the name is that of a model of this machine's own."""
        with self._writing:
            copies = self.names()
            if self._library.has(name) and name.key not in copies:
                name = ModelName(name.host, name.namespace, name.model, f"{name.tag}-{manifest.digest[:12]}"[:80])
            self._library.put(name, manifest)
            self._note(copies | {name.key})

    def names(self) -> set[str]:
        """Return the keys of the names that copies have. Reads a file."""
        return set(read_words(self._path))

    def drop(self, digest: str) -> None:
        """Remove the copies of a model that is no more; what this machine has of its own stays. For a thread."""
        with self._writing:
            copies = self.names()
            for model in self._library.list().models:
                if model.digest == digest and model.name.key in copies:
                    self._library.delete(model)
                    copies.remove(model.name.key)
                    self._note(copies)

    def _note(self, copies: set[str]) -> None:
        write_words(self._path, sorted(copies))

    async def close(self) -> None:
        """End what is under way; the next time goes on from there."""
        for task in list(self._fetching.values()):
            task.cancel()
        await asyncio.gather(*self._fetching.values(), return_exceptions=True)
        await self._transfers.close()
