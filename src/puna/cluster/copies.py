"""Models that a node has taken from others: fetched when a request needs them, blob by blob, checked by their digests.

A node passes on what it has of a blob while the rest is still coming. So nodes that want the same model at the same
time stand in a row, and its bytes leave their origin once.
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from puna.errors import ModelNotFoundError, PunaError, UnavailableError
from puna.models.atomic import AtomicFile
from puna.models.library import Library
from puna.models.manifests import Layer, Manifest
from puna.models.model import Model
from puna.models.store import BlobWriter
from puna.names import ModelName

CHUNK = 4 << 20
"""Bytes of a blob that cross at once."""
_AHEAD = 4
_PAUSE = 0.05
_TRIES = 60
"""Chunks that are asked for before the first has come."""
_log = logging.getLogger(__name__)


class NoCopyError(UnavailableError):
    """A model could not be taken from any node."""


class Peers(Protocol):
    """The other nodes, as far as copies need them."""

    async def read(self, node: str, digest: str, start: int) -> bytes:
        """Return up to ``CHUNK`` bytes of a blob, waiting for them if they are on their way to that node.

        Raises ``PunaError``.
        """
        ...


@dataclass(eq=False)
class _Coming:
    """A blob that is to come, or on its way in: ``size`` of its ``total`` bytes are in the file at ``path``."""

    total: int
    path: Path | None = None
    size: int = 0
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)
    ended: bool = False

    async def tell(self, size: int, *, ended: bool = False) -> None:
        """Let those who read along know how much there is."""
        async with self.grown:
            self.size, self.ended = size, ended
            self.grown.notify_all()


class Copies:
    """The models of one node's library that are copies of others'. ``path`` is a file that remembers their names."""

    def __init__(self, library: Library, peers: Peers, path: Path) -> None:
        self._library = library
        self._peers = peers
        self._path = path
        self._coming: dict[str, _Coming] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}

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

    async def need(self, name: ModelName, manifest: Manifest, sources: Sequence[str]) -> Model:
        """Return a model, taken from one of ``sources`` if it is not here; those who need the same wait for the same.

        Raises ``NoCopyError`` where none of them has it, and ``StorageError``.
        """
        try:
            return await asyncio.to_thread(self.find, name, manifest.digest)
        except ModelNotFoundError:
            task = self._fetching.get(manifest.digest)
            if task is None:
                task = asyncio.create_task(self._fetch(name, manifest, list(sources)))
                self._fetching[manifest.digest] = task
                task.add_done_callback(lambda _: self._fetching.pop(manifest.digest, None))
            await asyncio.shield(task)
            return await asyncio.to_thread(self.find, name, manifest.digest)

    async def read(self, digest: str, start: int) -> bytes:
        """Return a part of a blob that is here, or on its way here: see ``Peers.read``."""
        coming = await self._expected(digest)
        if coming:
            wanted = min(start + CHUNK, coming.total)
            async with coming.grown:
                await coming.grown.wait_for(lambda: coming.ended or coming.size >= wanted)
            if coming.size < wanted:
                raise NoCopyError(f"{digest} did not come to its end")
        return await asyncio.to_thread(self._part, digest, coming.path if coming else None, start)

    def _part(self, digest: str, path: Path | None, start: int) -> bytes:
        """Return a chunk of a file that may have become the blob meanwhile."""
        if path:
            with contextlib.suppress(FileNotFoundError):
                return _chunk(path, start)
        return _chunk(self._library.blobs.path(digest), start)

    async def _expected(self, digest: str) -> _Coming | None:
        """Return a blob that is to come. The word that it is wanted here may still be on its way."""
        for _ in range(_TRIES):
            if digest in self._coming or self._library.blobs.has(digest):
                break
            await asyncio.sleep(_PAUSE)
        return self._coming.get(digest)

    async def _fetch(self, name: ModelName, manifest: Manifest, sources: list[str]) -> None:
        _log.info("model %s comes from %s", name, sources[0] if sources else "nowhere")
        layers = {layer.digest: layer for layer in (manifest.config, *manifest.layers)}
        missing = [layer for layer in layers.values() if not self._library.blobs.has(layer.digest)]
        ours = {layer.digest: _Coming(layer.size) for layer in missing if layer.digest not in self._coming}
        self._coming |= ours
        try:
            for layer in missing:
                if layer.digest in ours:
                    await self._blob(layer, sources, ours[layer.digest])
                else:  # of another model, which comes at the same time
                    await self.read(layer.digest, max(0, layer.size - 1))
            await asyncio.to_thread(self._keep, name, manifest)
        finally:
            for digest, coming in ours.items():
                del self._coming[digest]
                await coming.tell(coming.size, ended=True)

    def _keep(self, name: ModelName, manifest: Manifest) -> None:
        """Give a model its name; another one if the name is that of a model of this machine's own."""
        copies = self._names()
        if self._library.has(name) and name.key not in copies:
            name = ModelName(name.host, name.namespace, name.model, f"{name.tag}-{manifest.digest[:12]}"[:80])
        self._library.put(name, manifest)
        self._note(copies | {name.key})

    def has(self, name: ModelName) -> bool:
        """Return whether a model of this machine is a copy of another's. Reads a file."""
        return name.key in self._names()

    def drop(self, digest: str) -> None:
        """Remove the copies of a model that is no more; what this machine has of its own stays. For a thread."""
        copies = self._names()
        for model in self._library.list().models:
            if model.digest == digest and model.name.key in copies:
                self._library.delete(model)
                self._note(copies - {model.name.key})

    def _names(self) -> set[str]:
        return set(json.loads(self._path.read_text(encoding="utf-8"))) if self._path.exists() else set()

    def _note(self, copies: set[str]) -> None:
        with AtomicFile(self._path.parent) as file:
            file.file.write(json.dumps(sorted(copies)).encode())
            file.publish(self._path)

    async def _blob(self, layer: Layer, sources: list[str], coming: _Coming) -> None:
        why = "no node has it"
        for source in list(sources):
            try:
                await self._take(layer, source, coming)
            except PunaError as failure:
                _log.warning("%s could not be taken from %s: %s", layer.digest, source, failure)
                why = str(failure)
                sources.remove(source)  # the next blob begins with one that works
                await coming.tell(0)
            else:
                return
        raise NoCopyError(f"a file of the model could not be taken from any node: {why}")

    async def _take(self, layer: Layer, source: str, coming: _Coming) -> None:
        asked: deque[asyncio.Task[bytes]] = deque()
        starts = iter(range(0, layer.size, CHUNK))
        with self._library.blobs.writer() as writer:
            coming.path = writer.path
            try:
                while writer.size < layer.size:
                    for start in islice(starts, _AHEAD - len(asked)):
                        asked.append(asyncio.create_task(self._peers.read(source, layer.digest, start)))
                    wanted = min(CHUNK, layer.size - writer.size)
                    data = await asked.popleft()
                    if len(data) != wanted:
                        raise NoCopyError(f"{source} has less of {layer.digest} than there should be")
                    await asyncio.to_thread(_append, writer, data)
                    await coming.tell(writer.size)
                await asyncio.to_thread(writer.commit, layer.digest)
            finally:
                for task in asked:
                    task.cancel()


def _append(writer: BlobWriter, data: bytes) -> None:
    writer.write(data)
    writer.flush()


def _chunk(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(CHUNK)
