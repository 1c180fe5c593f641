"""The models that this machine has: list, resolve, copy, delete."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from puna import builtin
from puna.errors import BadRequestError, ModelNotFoundError, PunaError
from puna.models.atomic import remove_leftovers, remove_scratch
from puna.models.links import remove_stale_links
from puna.models.listing import Listing, Snapshot
from puna.models.made_here import MadeHere
from puna.models.manifests import BadManifestError, Manifest, ManifestStore
from puna.models.model import Model
from puna.models.registry.record import RecordStore
from puna.models.storage import StorageError
from puna.models.store import BlobStore
from puna.names import ModelName, parse_name

_REST, _LONGEST_REST = 10, 0.5
"""How many times as long as a look at all manifests none is due after it, and seconds that this never is longer."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found at one look at all manifests, which began after so many ``changes`` by the library itself."""

    snapshot: Snapshot
    listing: Listing
    changes: int
    next_due: float
    """When the next look is due, by the monotonic clock."""


class Library:
    """All models of one store, with the built-in one among them unless it is hidden. Safe to use from threads.

    ``on_gone`` is called, in whatever thread, with the digest of a model that has lost its last name. ``go_template``
    is that of its models, ``overrides`` returns the options that settings have for the model of a name. ``elsewhere``
    returns the models that other machines of a cluster have, the same sequence until something changes.
    """

    def __init__(
        self,
        root: Path,
        *,
        hide_builtin: bool = False,
        on_gone: Callable[[str], object] = lambda _: None,
        go_template: bool | None = None,
        overrides: Callable[[ModelName], Mapping[str, Any]] = lambda _: {},
        elsewhere: Callable[[], Sequence[Model]] = tuple,
    ) -> None:
        self.root = root
        self._elsewhere = elsewhere
        self._joined: tuple[Listing, Sequence[Model], Listing] | None = None
        self._overrides = overrides
        self._go_template = go_template
        self._on_gone = on_gone
        self.manifests = ManifestStore(root)
        self._builtin = None if hide_builtin else ManifestStore(builtin.STORE)
        self.blobs = BlobStore(root, None if hide_builtin else BlobStore(builtin.STORE))
        self.made_here = MadeHere(root, self.manifests)
        self._records = RecordStore(root)
        self._cache: dict[Path, tuple[tuple[int, int], Model]] = {}
        self._look: _Look | None = None
        self._asked_until = 0.0
        self._changes = 0
        self._change = threading.RLock()

    def clean(self) -> int:
        """Remove what processes that were killed left half-written; return how many files."""
        remove_stale_links(self.root)
        self.made_here.clean()
        return remove_leftovers(self.blobs.directory) + remove_scratch(self.root)

    def get(self, name: ModelName | str) -> Model:
        """Return the model of this name; raise ``ModelNotFoundError``."""
        wanted = parse_name(name) if isinstance(name, str) else name
        for source in filter(None, (self.manifests, self._builtin)):
            try:
                return self._read(source, wanted)
            except ModelNotFoundError:
                continue
        for model in self._elsewhere():
            if model.name.key == wanted.key:
                return model
        raise ModelNotFoundError(str(name))  # in the caller's spelling, as Ollama does

    def has(self, name: ModelName) -> bool:
        """Return whether there is a model of this name that can be read."""
        try:
            self.get(name)
        except (ModelNotFoundError, BadManifestError):
            return False
        return True

    def is_builtin(self, name: ModelName) -> bool:
        """Return whether the name means a model that is part of the package."""
        try:
            return self.get(name).is_builtin
        except (ModelNotFoundError, BadManifestError):
            return False

    def _read(self, source: ManifestStore, name: ModelName) -> Model:
        path, stat = source.locate(name)
        version = (stat.st_mtime_ns, stat.st_ino)
        cached = self._cache.get(path)
        if cached and cached[0] == version and cached[1].files_are_there():
            return cached[1]
        found = ModelName(*path.parts[-4:])
        modified_at = datetime.fromtimestamp(stat.st_mtime, UTC)
        model = self.make(found, source.read(name), modified_at, is_builtin=source is self._builtin)
        self._cache[path] = (version, model)
        return model

    def make(self, name: ModelName, manifest: Manifest, modified_at: datetime, *, is_builtin: bool = False) -> Model:
        """Return the model of a manifest, with the settings of this library."""
        return Model(
            name=name,
            manifest=manifest,
            modified_at=modified_at,
            blobs=self.blobs,
            is_builtin=is_builtin,
            go_template=self._go_template,
            overrides=partial(self._overrides, name),
        )

    def list(self) -> Listing:
        """Return every model; the same object until something changes."""
        began, changes, last = time.monotonic(), self._changes, self._look
        # A model that cannot be read may be mended by its blobs alone.
        if last and not last.listing.broken and last.snapshot.still_holds():
            snapshot, listing = last.snapshot, last.listing
        else:
            stores = [store for store in (self._builtin, self.manifests) if store]
            # Looked at before it is read, so that a change meanwhile is found the next time.
            snapshot = Snapshot([store.directory for store in stores])
            listing = self._list(stores)
        ended = time.monotonic()
        self._look = _Look(snapshot, listing, changes, ended + min(_REST * (ended - began), _LONGEST_REST))
        self._asked_until = 0.0
        return self._with_others(listing)

    def latest(self) -> Listing | None:
        """Return what ``list`` would, without a look at the disk; ``None`` if the caller is to have a look by ``list``.

        A change by this library makes one due at once; one by another program is seen with the next, a moment later.
        Only one caller is asked at a time: looks side by side would wait for each other.
        """
        last, now = self._look, time.monotonic()
        if last is None or last.listing.broken or last.changes != self._changes:
            return None
        if now > max(last.next_due, self._asked_until):
            self._asked_until = now + _LONGEST_REST
            return None
        return self._with_others(last.listing)

    def _with_others(self, here: Listing) -> Listing:
        others = self._elsewhere()
        if not others:
            return here
        if self._joined is None or self._joined[0] is not here or self._joined[1] is not others:
            known = {model.name.key for model in here.models}
            models = [*here.models, *(model for model in others if model.name.key not in known)]
            models.sort(key=lambda model: model.modified_at, reverse=True)
            self._joined = here, others, Listing(tuple(models), here.broken)
        return self._joined[2]

    def _list(self, stores: Sequence[ManifestStore]) -> Listing:
        models: list[Model] = []
        broken: list[tuple[str, str]] = []

        def tell(path: Path, error: OSError) -> None:
            broken.append((path.name, f"{path} cannot be read: {error.strerror}"))

        names = {name.key: name for store in stores for name in store.names(tell)}
        for name in names.values():
            try:
                model = self.get(name)
                _ = model.config
            except (PunaError, OSError) as error:
                broken.append((str(name), str(error)))
            else:
                models.append(model)
        self._forget_others(models)
        models.sort(key=lambda model: model.modified_at, reverse=True)
        return Listing(tuple(models), tuple(broken))

    def _forget_others(self, models: Iterable[Model]) -> None:
        """Keep nothing of models that have gone, or cannot be read."""
        here = set(map(id, models))
        for path, (_, model) in list(self._cache.items()):
            if id(model) not in here:
                self._cache.pop(path, None)

    def put(self, name: ModelName, manifest: Manifest, *, made_here: bool = False) -> None:
        """Give ``name`` to ``manifest``, whose blobs are in the store, and remove what only the old one used.

        ``made_here`` is for what no registry gave it. Raises ``BlobNotFoundError`` or ``StorageError``; then everything
        is as it was.
        """
        with self._change:
            old = self._manifest_or_none(name)
            copied: list[str] = []
            try:
                for layer in (manifest.config, *manifest.layers):
                    if self.blobs.materialize(layer.digest):
                        copied.append(layer.digest)
                self.manifests.write(name, manifest)
                self._changes += 1
            except BaseException:
                with contextlib.suppress(StorageError):
                    self.discard(copied)
                raise
            if made_here:
                self.made_here.add(name, manifest.digest)
            else:
                self.made_here.remove(name)
            if old is not None:
                self._remove_unused(old)

    def copy(self, source: ModelName, destination: ModelName) -> None:
        """Give a model a second name; raise ``ModelNotFoundError`` or ``StorageError``."""
        self.put(destination, self.get(source).manifest, made_here=True)

    def delete(self, model: Model) -> None:
        """Remove a model's name and the blobs that no other uses.

        Raises ``BadRequestError`` for the built-in one, and ``StorageError``.
        """
        if model.is_builtin:
            raise BadRequestError(
                f"model '{model.name}' is part of Puna and cannot be deleted; PUNA_HIDE_BUILTIN=1 hides it"
            )
        if any(model is other for other in self._elsewhere()):
            raise BadRequestError(
                f"model '{model.name}' lies on another machine of the cluster, where it can be deleted"
            )
        with self._change:
            self._cache.pop(self.manifests.path(model.name), None)
            self.manifests.delete(model.name)
            self._changes += 1
            self.made_here.remove(model.name)
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
        """Remove those of the blobs that no model uses and nobody holds, with what is remembered of them.

        Raises ``StorageError``.
        """
        with self._change:
            try:
                used = set(self._used_digests())
            except (BadManifestError, OSError):
                return  # what a manifest that cannot be read needs is unknown: nothing may go
            for digest in set(digests) - used:
                self.blobs.remove(digest)
                self._records.remove_if_gone(digest)

    def _used_digests(self) -> Iterator[str]:
        for name in self.manifests.names():
            try:
                manifest = self.manifests.read(name)
            except ModelNotFoundError:
                continue  # another program removed it meanwhile
            yield from (layer.digest for layer in (manifest.config, *manifest.layers))
