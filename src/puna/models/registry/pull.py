"""Pulls models: the manifest, the blobs that are missing or damaged, then the name."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from yarl import URL

from puna.errors import ModelNotFoundError, PunaError
from puna.models.checkpoint import header_of, laid_out
from puna.models.gguf import GGUFError, read_gguf
from puna.models.loadable import LoadCheck, UnloadableError, anything, try_to_load
from puna.models.made_here import MadeHere
from puna.models.manifests import CHECKPOINT, MODEL, PROJECTOR, BadManifestError, Layer, Manifest, ManifestStore
from puna.models.registry.api import RegistryApi
from puna.models.registry.blobs import BlobKeeper
from puna.models.registry.download import BlobSource
from puna.models.registry.errors import ManifestNotFoundError, TransientError, UnverifiableBlobError
from puna.models.registry.jobs import Jobs, stream
from puna.models.registry.peers import Peers
from puna.models.registry.policy import AccessPolicy
from puna.models.registry.progress import Progress, Report
from puna.models.registry.remote_manifest import RemoteManifest, blobs_of
from puna.models.registry.target import Target, parse_reference, resolve
from puna.models.registry.threads import in_thread, together
from puna.models.store import BlobNotFoundError, BlobStore, digest_bytes
from puna.names import ModelName

_BLOBS_AT_A_TIME = 4
_MODELS_AT_A_TIME = 4
_FINAL_ATTEMPTS = 3


class ModelStore(Protocol):
    """What a pull needs of the library."""

    @property
    def blobs(self) -> BlobStore:
        """Return the blobs."""

    @property
    def manifests(self) -> ManifestStore:
        """Return the manifests."""

    @property
    def made_here(self) -> MadeHere:
        """Return which models were made on this machine."""

    def is_builtin(self, name: ModelName) -> bool:
        """Return whether the name means a model that is part of the package."""

    def put(self, name: ModelName, manifest: Manifest) -> None:
        """Give a name to a manifest whose blobs are in the store, and remove what only the old one used."""

    def discard(self, digests: Iterable[str]) -> None:
        """Remove those of the blobs that no model uses."""


@dataclass(frozen=True, slots=True)
class PullPlan:
    """What a pull would do."""

    name: ModelName
    is_new: bool
    """Whether the name does not exist here yet."""
    is_current: bool
    """Whether the registry's manifest is the one that is here."""
    layers: tuple[tuple[Layer, int], ...]
    """Each blob with the bytes that would be fetched of it."""

    @property
    def total(self) -> int:
        """Return the size of the whole model."""
        return sum(layer.size for layer, _ in self.layers)

    @property
    def fetched(self) -> int:
        """Return how many bytes would be fetched."""
        return sum(missing for _, missing in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as the API shows it."""
        return {
            "model": str(self.name),
            "new": self.is_new,
            "current": self.is_current,
            "total": self.total,
            "download": self.fetched,
            "layers": [
                {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size, "download": missing}
                for layer, missing in self.layers
            ],
        }


@dataclass(frozen=True, slots=True)
class FailedPlan:
    """A model of which it cannot be said what a pull would do."""

    name: ModelName
    is_unknown: bool
    """Whether its registry does not have it, or is not asked since the model was made here."""
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return the failure as the API shows it."""
        return {"model": str(self.name), "unknown": self.is_unknown, "error": self.reason}


class Puller:
    """Pulls into one library. Calls for one model share the work; it ends early when nobody waits for it any more."""

    def __init__(
        self,
        library: ModelStore,
        api: RegistryApi,
        keeper: BlobKeeper,
        policy: AccessPolicy,
        load_check: LoadCheck = anything,
        peers: Peers | None = None,
    ) -> None:
        self._library = library
        self._peers = peers
        self._load_check = load_check
        self._api = api
        self._keeper = keeper
        self._policy = policy
        self._jobs: Jobs[None] = Jobs()

    def pull(
        self, model: str, *, insecure: bool = False, guarded: bool = False, registry: bool = True
    ) -> AsyncGenerator[Progress, None]:
        """Yield the progress of fetching ``model``; the iterator ends when it can be used.

        ``guarded`` is for requests from other machines: it refuses addresses on private networks. Without ``registry``
        only peers are asked; with it they give what they have, and the whole model where it does not answer. Raises
        ``InvalidNameError``, ``RegistryError``, ``ManifestNotFoundError``, ``BadManifestError`` or ``StorageError``;
        the model that was there stays as it was, and what was fetched is used by the next pull.
        """
        target = self._target(model, insecure=insecure, guarded=guarded)

        async def work(report: Report) -> None:
            key = (target.name.key, str(target.base), guarded, target.credentials, registry)
            await self._jobs.run(key, lambda report: self._pull(target, report, registry=registry), report)

        return stream(work)

    async def plan(self, model: str, *, insecure: bool = False, guarded: bool = False) -> PullPlan:
        """Return what a pull would fetch. Files of the right size are taken as good. Raises as ``pull``."""
        target = self._target(model, insecure=insecure, guarded=guarded)
        remote = await self._api.manifest(target)
        return await in_thread(self._compare, target.name, remote.manifest)

    async def plan_all(self, *, insecure: bool = False, guarded: bool = False) -> list[PullPlan | FailedPlan]:
        """Return what refreshing every model of the store would fetch; one that fails does not end the others.

        No registry is asked for models that were made here.
        """
        limit = asyncio.Semaphore(_MODELS_AT_A_TIME)

        async def plan(name: ModelName) -> PullPlan | FailedPlan:
            async with limit:
                if await in_thread(self._library.made_here.has, name):
                    return FailedPlan(name, is_unknown=True, reason="it was made here")
                try:
                    return await self.plan(str(name), insecure=insecure, guarded=guarded)
                except ManifestNotFoundError:
                    return FailedPlan(name, is_unknown=True, reason="it is not in a registry")
                except PunaError as error:
                    return FailedPlan(name, is_unknown=False, reason=str(error))

        names = await in_thread(lambda: sorted(self._library.manifests.names(lambda _, __: None), key=str))
        return list(await asyncio.gather(*(plan(name) for name in names)))

    async def gather(self, name: ModelName, manifest: Manifest, peers: Peers) -> None:
        """Have all blobs of a manifest in the store, from ``peers`` alone. Raises as ``pull``."""
        target = Target(name, URL(f"https://{name.host}"), guarded=False)
        await self._fetch_blobs(target, RemoteManifest(manifest), lambda _: None, registry=False, peers=peers)

    async def close(self) -> None:
        """End every pull that is under way; the next one goes on from there."""
        await self._jobs.close()

    def _target(self, model: str, *, insecure: bool, guarded: bool) -> Target:
        reference = parse_reference(model)
        return resolve(reference, self._policy, insecure=insecure, guarded=guarded, mirrored=True)

    def _compare(self, name: ModelName, manifest: Manifest) -> PullPlan:
        try:
            present: Manifest | None = self._library.manifests.read(name)
        except (ModelNotFoundError, BadManifestError):
            present = None
        layers = tuple((layer, self._keeper.missing_bytes(layer)) for layer in blobs_of(manifest))
        return PullPlan(name, present is None, present is not None and present.digest == manifest.digest, layers)

    async def _manifest(self, target: Target, *, registry: bool) -> tuple[RemoteManifest, bool]:
        """Return the manifest, and whether it is the registry's. Peers are asked where that does not have it."""
        failure: PunaError = ManifestNotFoundError()
        if registry:
            try:
                return await self._api.manifest(target), True
            except (ManifestNotFoundError, TransientError) as error:
                failure = error
        if self._peers is None or not self._peers.all():
            raise failure
        try:
            return await self._peers.manifest(target.name), False
        except ManifestNotFoundError:
            raise failure from None

    async def _pull(self, target: Target, report: Report, *, registry: bool) -> None:
        report(Progress("pulling manifest"))
        remote, registry = await self._manifest(target, registry=registry)
        if not registry:
            report(Progress("pulling from peers"))
        for attempt in range(_FINAL_ATTEMPTS):
            await self._fetch_blobs(target, remote, report, registry=registry)
            report(Progress("verifying sha256 digest"))
            await in_thread(self._check_files, remote.manifest)
            report(Progress("writing manifest"))
            is_new = not await in_thread(self._is_current, target.name, remote.manifest)
            unused = await in_thread(self._is_replaced, target.name, remote.manifest)
            try:
                await in_thread(self._library.put, target.name, remote.manifest)
                break
            except BlobNotFoundError:  # removed with another model in the meantime
                if attempt == _FINAL_ATTEMPTS - 1:
                    raise
        if unused:
            report(Progress("removing unused layers"))
        if is_new and (warning := await in_thread(self._warning, remote.manifest)):
            report(Progress(f"warning: {warning}"))
        report(Progress("success"))

    def _check_files(self, manifest: Manifest) -> None:
        """Raise ``BadManifestError`` unless the model's files are GGUF, or a checkpoint.

        What only such a model has is removed then.
        """
        try:
            if checkpoint := manifest.of_type(CHECKPOINT):
                header_of(laid_out(checkpoint, self._library.blobs, manifest.digest))
            for layer in (*manifest.of_type(MODEL), *manifest.of_type(PROJECTOR)):
                read_gguf(self._library.blobs.path(layer.digest))
        except (GGUFError, BadManifestError) as error:
            self._library.discard(other.digest for other in blobs_of(manifest))
            raise BadManifestError(f"this is not a model that can be run here: {error}") from None

    def _is_current(self, name: ModelName, manifest: Manifest) -> bool:
        """Return whether the name has this manifest already."""
        try:
            return self._library.manifests.read(name).digest == manifest.digest
        except (ModelNotFoundError, BadManifestError):
            return False

    def _warning(self, manifest: Manifest) -> str:
        """Return why the engine cannot load what was fetched, "" if it can. A later engine may, so the model stays."""
        try:
            try_to_load(manifest.layers, self._library.blobs, self._load_check)
        except (UnloadableError, BlobNotFoundError) as error:
            return str(error)
        return ""

    def _is_replaced(self, name: ModelName, manifest: Manifest) -> bool:
        """Return whether the name has a manifest now with layers that the new one lacks."""
        try:
            old = self._library.manifests.read(name)
        except (ModelNotFoundError, BadManifestError):
            return False
        return not {layer.digest for layer in blobs_of(old)} <= {layer.digest for layer in blobs_of(manifest)}

    async def _fetch_blobs(
        self, target: Target, remote: RemoteManifest, report: Report, *, registry: bool, peers: Peers | None = None
    ) -> None:
        limit = asyncio.Semaphore(_BLOBS_AT_A_TIME)

        async def fetch(layer: Layer) -> None:
            async with limit:
                data = remote.inline.get(layer.digest)
                if data is not None:
                    await self._store_inline(layer, data)
                    return
                location = remote.locations.get(layer.digest)
                source = BlobSource(self._api, target, layer.digest, layer.size, location, registry, peers)
                await self._keeper.ensure(source, report)

        await together(*(fetch(layer) for layer in blobs_of(remote.manifest)))

    async def _store_inline(self, layer: Layer, data: bytes) -> None:
        actual = digest_bytes(data)
        if actual != layer.digest:
            raise UnverifiableBlobError(layer.digest, actual)
        await self._keeper.store_bytes(data)
