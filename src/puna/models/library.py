"""The models that this machine has: list, resolve, copy, delete."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from puna import builtin
from puna.errors import BadRequestError, ModelNotFoundError, PunaError
from puna.models import manifests
from puna.models.atomic import remove_leftovers, remove_scratch
from puna.models.config import ModelConfig
from puna.models.gguf import GGUFFile, read_gguf
from puna.models.listing import Listing, Snapshot
from puna.models.manifests import BadManifestError, Layer, Manifest, ManifestStore
from puna.models.split import linked_parts, remove_stale_links
from puna.models.store import BlobStore
from puna.names import ModelName, parse_name


@dataclass(frozen=True)
class Model:
    """One model with everything that its layers say. Big files are paths; small layers are read when first used."""

    name: ModelName
    manifest: Manifest
    modified_at: datetime
    blobs: BlobStore
    is_builtin: bool = False

    @property
    def digest(self) -> str:
        """Return what identifies the model: its manifest's digest in hex."""
        return self.manifest.digest

    @property
    def size(self) -> int:
        """Return the bytes of its blobs."""
        return self.manifest.size

    @cached_property
    def config(self) -> ModelConfig:
        """Return the details that its configuration blob holds."""
        return ModelConfig.parse(self.blobs.read(self.manifest.config.digest))

    @property
    def path(self) -> Path:
        """Return the GGUF file that an engine loads; the first part of a split one, with the others beside it."""
        return self.paths[0] if len(self.paths) == 1 else linked_parts(self.paths, self.blobs.directory.parent)

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """Return its GGUF files: one, or the parts of a split one in order."""
        paths = self._paths(manifests.MODEL)
        if not paths:
            raise BadManifestError(f"model {self.name} has no model layer")
        return paths

    @cached_property
    def drafts(self) -> tuple[Path, ...]:
        """Return the files of the draft model that it has with it."""
        return self._paths(manifests.DRAFT)

    @cached_property
    def ggufs(self) -> tuple[GGUFFile, ...]:
        """Return the headers of its files, in order."""
        return tuple(read_gguf(path) for path in self.paths)

    @property
    def gguf(self) -> GGUFFile:
        """Return the header of its file; of a split one the first, which has the metadata."""
        return self.ggufs[0]

    @cached_property
    def adapters(self) -> tuple[Path, ...]:
        """Return its adapters' files."""
        return self._paths(manifests.ADAPTER)

    @cached_property
    def projectors(self) -> tuple[Path, ...]:
        """Return its multimodal projectors' files."""
        return self._paths(manifests.PROJECTOR)

    @cached_property
    def template(self) -> str:
        """Return its Go template, or "" if it has none of its own."""
        return self._text(manifests.TEMPLATE)

    @cached_property
    def system(self) -> str:
        """Return its system message, or ""."""
        return self._text(manifests.SYSTEM)

    @cached_property
    def licenses(self) -> tuple[str, ...]:
        """Return the texts of its licences."""
        return tuple(self._decode(layer) for layer in self.manifest.of_type(manifests.LICENSE))

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Return the options that it sets for every request."""
        merged: dict[str, Any] = {}
        for layer in self.manifest.of_type(manifests.PARAMS):
            merged |= self._json(layer, dict)
        return merged

    @cached_property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """Return the messages that every conversation with it begins with."""
        layers = self.manifest.of_type(manifests.MESSAGES)
        return tuple(message for layer in layers for message in self._json(layer, list))

    def files_are_there(self) -> bool:
        """Return whether its files are where they were found. If not, another store may have them."""
        known = (self.__dict__.get(kind, ()) for kind in ("paths", "adapters", "projectors", "drafts"))
        return all(path.is_file() for paths in known for path in paths)

    def _paths(self, media_type: str) -> tuple[Path, ...]:
        return tuple(self.blobs.path(layer.digest) for layer in self.manifest.of_type(media_type))

    def _text(self, media_type: str) -> str:
        layers = self.manifest.of_type(media_type)
        return self._decode(layers[-1]) if layers else ""

    def _decode(self, layer: Layer) -> str:
        return self.blobs.read(layer.digest).decode(errors="replace")

    def _json(self, layer: Layer, kind: type) -> Any:
        try:
            value = json.loads(self.blobs.read(layer.digest))
        except (ValueError, RecursionError) as error:
            raise BadManifestError(f"model {self.name}: layer {layer.digest} is not JSON") from error
        if not isinstance(value, kind):
            raise BadManifestError(f"model {self.name}: layer {layer.digest} is not of the form that it must have")
        return value


class Library:
    """All models of one store, with the built-in one among them unless it is hidden. Safe to use from threads.

    ``on_gone`` is called, in whatever thread, with the digest of a model that has lost its last name.
    """

    def __init__(
        self, root: Path, *, hide_builtin: bool = False, on_gone: Callable[[str], object] = lambda _: None
    ) -> None:
        self.root = root
        self._on_gone = on_gone
        self.manifests = ManifestStore(root)
        self._builtin = None if hide_builtin else ManifestStore(builtin.STORE)
        self.blobs = BlobStore(root, None if hide_builtin else BlobStore(builtin.STORE))
        self._cache: dict[Path, tuple[tuple[int, int], Model]] = {}
        self._listed: tuple[Snapshot, Listing] | None = None
        self._change = threading.RLock()

    def clean(self) -> int:
        """Remove what processes that were killed left half-written; return how many files."""
        remove_stale_links(self.root)
        return remove_leftovers(self.blobs.directory) + remove_scratch(self.root)

    def get(self, name: ModelName | str) -> Model:
        """Return the model of this name; raise ``ModelNotFoundError``."""
        wanted = parse_name(name) if isinstance(name, str) else name
        for source in filter(None, (self.manifests, self._builtin)):
            try:
                return self._read(source, wanted)
            except ModelNotFoundError:
                continue
        raise ModelNotFoundError(str(name))  # in the caller's spelling, as Ollama does

    def _read(self, source: ManifestStore, name: ModelName) -> Model:
        path = source.path(name)
        try:
            stat = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ModelNotFoundError(str(name)) from None
        version = (stat.st_mtime_ns, stat.st_ino)
        cached = self._cache.get(path)
        if cached and cached[0] == version and cached[1].files_are_there():
            return cached[1]
        model = Model(
            name=ModelName(*path.parts[-4:]),
            manifest=source.read(name),
            modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
            blobs=self.blobs,
            is_builtin=source is self._builtin,
        )
        self._cache[path] = (version, model)
        return model

    def list(self) -> Listing:
        """Return every model; the same object until something changes."""
        # A model that cannot be read may be mended by its blobs alone.
        if self._listed is None or self._listed[1].broken or not self._listed[0].still_holds():
            stores = [store for store in (self._builtin, self.manifests) if store]
            # Looked at before it is read, so that a change meanwhile is found the next time.
            snapshot = Snapshot([store.directory for store in stores])
            self._listed = snapshot, self._list(stores)
        return self._listed[1]

    def _list(self, stores: Sequence[ManifestStore]) -> Listing:
        models: list[Model] = []
        broken: list[tuple[ModelName, str]] = []
        names = {name.key: name for store in stores for name in store.names()}
        for name in names.values():
            try:
                model = self.get(name)
                _ = model.config
            except (PunaError, OSError) as error:
                broken.append((name, str(error)))
            else:
                models.append(model)
        models.sort(key=lambda model: model.modified_at, reverse=True)
        return Listing(tuple(models), tuple(broken))

    def put(self, name: ModelName, manifest: Manifest) -> None:
        """Give ``name`` to ``manifest``, whose blobs are in the store, and remove what only the old one used."""
        with self._change:
            old = self._manifest_or_none(name)
            for layer in (manifest.config, *manifest.layers):
                self.blobs.materialize(layer.digest)
            self.manifests.write(name, manifest)
            if old is not None:
                self._remove_unused(old)

    def copy(self, source: ModelName, destination: ModelName) -> None:
        """Give a model a second name; raise ``ModelNotFoundError``."""
        self.put(destination, self.get(source).manifest)

    def delete(self, model: Model) -> None:
        """Remove a model's name and the blobs that no other uses; raise ``BadRequestError`` for the built-in one."""
        if model.is_builtin:
            raise BadRequestError(
                f"model '{model.name}' is part of Puna and cannot be deleted; PUNA_HIDE_BUILTIN=1 hides it"
            )
        with self._change:
            self.manifests.delete(model.name)
            self._remove_unused(model.manifest)

    def _manifest_or_none(self, name: ModelName) -> Manifest | None:
        try:
            return self.manifests.read(name)
        except (ModelNotFoundError, BadManifestError):
            return None

    def _remove_unused(self, manifest: Manifest) -> None:
        candidates = {layer.digest for layer in (manifest.config, *manifest.layers)}
        self.discard(candidates)
        for digest in self.gone([manifest.digest]):
            self._on_gone(digest)

    def gone(self, digests: Iterable[str]) -> set[str]:
        """Return those of the digests that no model has; none while there is a manifest that cannot be read."""
        wanted = set(digests)
        stores = [store for store in (self.manifests, self._builtin) if store and wanted]
        try:
            return wanted - {store.read(name).digest for store in stores for name in store.names()}
        except (PunaError, OSError):
            return set()

    def discard(self, digests: Iterable[str]) -> None:
        """Remove those of the blobs that no model uses and nobody holds."""
        with self._change:
            try:
                used = set(self._used_digests())
            except (BadManifestError, OSError):
                return  # what a manifest that cannot be read needs is unknown: nothing may go
            for digest in set(digests) - used:
                self.blobs.remove(digest)

    def _used_digests(self) -> Iterator[str]:
        for name in self.manifests.names():
            manifest = self.manifests.read(name)
            yield from (layer.digest for layer in (manifest.config, *manifest.layers))
