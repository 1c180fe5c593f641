"""Which models a request may take away: those that are shared and that its key may know of. Others are not there."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from weakref import WeakKeyDictionary

from puna.api.services import Services
from puna.errors import NotFoundError
from puna.models.listing import Listing
from puna.models.model import Model
from puna.models.registry.remote_manifest import blobs_of
from puna.models.registry.sharing import Share
from puna.models.store import BlobNotFoundError
from puna.names import DEFAULT_HOST, DEFAULT_NAMESPACE, ModelName

_BY_DIGEST: WeakKeyDictionary[Listing, Mapping[str, tuple[Model, ...]]] = WeakKeyDictionary()


class ManifestUnknownError(NotFoundError):
    """There is no such model, or none that the request may know of."""

    code = "MANIFEST_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("manifest unknown")


class RepositoryUnknownError(NotFoundError):
    """There is no such repository, or none that the request may know of."""

    code = "NAME_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("repository name not known to registry")


class BlobUnknownError(BlobNotFoundError):
    """No model of the repository has such a blob."""

    code = "BLOB_UNKNOWN"


class Shelf:
    """The shared models of one server, as one request sees them."""

    def __init__(self, services: Services, listing: Listing) -> None:
        self._services = services
        self._listing = listing

    @classmethod
    async def of(cls, services: Services) -> "Shelf":
        """Return what a request sees now."""
        return cls(services, await asyncio.to_thread(services.models))

    def may_have(self, name: ModelName) -> bool:
        """Return whether a model of this name is shared, and the request may know of it."""
        return self._services.transfers.sharing.shares(name) and self._services.sees(name)

    def models(self, host: str) -> list[Model]:
        """Return the shared models of one registry's names."""
        wanted = host.lower() or DEFAULT_HOST
        return [
            model for model in self._listing.models if model.name.host.lower() == wanted and self.may_have(model.name)
        ]

    def repository(self, repository: str, host: str) -> list[Model]:
        """Return the models of a repository; raise ``RepositoryUnknownError`` if there is none."""
        wanted = repository.lower() if "/" in repository else f"{DEFAULT_NAMESPACE}/{repository.lower()}"
        found = [model for model in self.models(host) if repository_of(model.name).lower() == wanted]
        if not found:
            raise RepositoryUnknownError
        return found

    def manifest(self, repository: str, host: str, reference: str) -> Model:
        """Return the model of a tag or a manifest's digest; raise ``ManifestUnknownError``."""
        try:
            models = self.repository(repository, host)
        except RepositoryUnknownError:
            raise ManifestUnknownError from None
        for model in models:
            if reference == f"sha256:{model.digest}" or reference.lower() == model.name.tag.lower():
                return model
        raise ManifestUnknownError

    def blob(self, digest: str, models: list[Model]) -> Path:
        """Return where a blob of one of the models lies; raise ``BlobUnknownError``."""
        if any(digest == layer.digest for model in models for layer in blobs_of(model.manifest)):
            blobs = self._services.library.blobs
            if blobs.has(digest):
                return blobs.path(digest)
        raise BlobUnknownError(digest)

    def any_blob(self, digest: str) -> Path | None:
        """Return where a blob of any shared model lies, of one that has just come too; ``None`` if there is none."""
        names = [model.name for model in self._with(digest)]
        arrived = self._services.transfers.sharing.arrived(digest)
        blobs = self._services.library.blobs
        if not any(self.may_have(name) for name in (*names, *([arrived] if arrived else []))) or not blobs.has(digest):
            return None
        return blobs.path(digest)

    def pulling(self, digest: str) -> Share | None:
        """Return what there is of a blob that is on its way for a shared model."""
        share = self._services.transfers.sharing.pulling(digest)
        return share if share is not None and share.name is not None and self.may_have(share.name) else None

    def _with(self, digest: str) -> tuple[Model, ...]:
        known = _BY_DIGEST.get(self._listing)
        if known is None:
            known = _BY_DIGEST[self._listing] = _by_digest(self._listing)
        return known.get(digest, ())


def repository_of(name: ModelName) -> str:
    """Return the repository of a model: its name without registry and tag."""
    return f"{name.namespace}/{name.model}"


def _by_digest(listing: Listing) -> Mapping[str, tuple[Model, ...]]:
    found: dict[str, tuple[Model, ...]] = {}
    for model in listing.models:
        for layer in blobs_of(model.manifest):
            found[layer.digest] = (*found.get(layer.digest, ()), model)
    return found
