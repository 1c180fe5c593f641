"""Pushes models: the blobs that the registry does not have, then the manifest."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from puna.errors import BadRequestError, ModelNotFoundError
from puna.models.manifests import BadManifestError, Layer, Manifest
from puna.models.registry.api import RegistryApi
from puna.models.registry.jobs import Jobs, stream
from puna.models.registry.options import TransferOptions
from puna.models.registry.policy import AccessPolicy
from puna.models.registry.progress import Progress, Report, short
from puna.models.registry.pull import ModelStore
from puna.models.registry.remote_manifest import blobs_of
from puna.models.registry.target import Target, parse_reference, resolve
from puna.models.registry.threads import in_thread
from puna.models.registry.upload import BlobUpload, UploadStore
from puna.names import InvalidNameError, ModelName, parse_name


class Pusher:
    """Pushes from one library. Calls for one model share the work."""

    def __init__(
        self,
        library: ModelStore,
        api: RegistryApi,
        uploads: UploadStore,
        policy: AccessPolicy,
        options: TransferOptions,
    ) -> None:
        self._library = library
        self._api = api
        self._uploads = uploads
        self._policy = policy
        self._options = options
        self._jobs: Jobs[None] = Jobs()

    def push(self, model: str, *, insecure: bool = False, guarded: bool = False) -> AsyncGenerator[Progress, None]:
        """Yield the progress of sending ``model``; the iterator ends when the registry has it.

        Raises ``InvalidNameError``, ``ModelNotFoundError``, ``RegistryError`` or ``BadManifestError``.
        """
        reference = parse_reference(model)
        target = resolve(reference, self._policy, insecure=insecure, guarded=guarded, mirrored=False)

        async def work(report: Report) -> None:
            key = (target.name.key, str(target.base), guarded, target.credentials)
            await self._jobs.run(key, lambda report: self._push(target, report), report)

        return stream(work)

    async def close(self) -> None:
        """End every push that is under way; the next one goes on from there."""
        await self._jobs.close()

    async def _push(self, target: Target, report: Report) -> None:
        report(Progress("retrieving manifest"))
        try:
            manifest = await in_thread(self._library.manifests.read, target.name)
        except ModelNotFoundError:
            if not self._library.is_builtin(target.name):
                raise
            raise BadRequestError(
                f"model '{target.name}' is part of Puna; copy it to a name of your own (puna cp) and push that"
            ) from None
        for layer in blobs_of(manifest):
            await self._push_blob(target, layer, report)
        report(Progress("pushing manifest"))
        await self._api.put_manifest(target, manifest.raw)
        await in_thread(self._library.made_here.remove, target.name)
        report(Progress("success"))

    async def _push_blob(self, target: Target, layer: Layer, report: Report) -> None:
        tell = _reporter(layer, report)
        path = await in_thread(self._library.blobs.path, layer.digest)
        if await self._api.has_blob(target, layer.digest, push=True):
            tell(layer.size)
            return
        mount_from = await in_thread(self._mount_source, target.name, layer)
        upload = BlobUpload(self._api.http, self._uploads, self._options, target, path, layer.digest, mount_from, tell)
        await upload.run()

    def _mount_source(self, name: ModelName, layer: Layer) -> str:
        """Return another repository at the same registry that should have the blob, or ""."""
        try:
            source = parse_name(layer.source) if layer.source else None
        except InvalidNameError:
            source = None
        candidates = [source] if source else []
        candidates += [
            other for other in self._library.manifests.names(_pass_over) if self._has(other, layer.digest, name)
        ]
        for other in candidates:
            if other.host == name.host and (other.namespace, other.model) != (name.namespace, name.model):
                return f"{other.namespace}/{other.model}"
        return ""

    def _has(self, other: ModelName, digest: str, name: ModelName) -> bool:
        if other.host != name.host:
            return False
        try:
            manifest: Manifest = self._library.manifests.read(other)
        except (ModelNotFoundError, BadManifestError):
            return False
        return any(layer.digest == digest for layer in manifest.layers)


def _pass_over(_: Path, __: OSError) -> None:
    """Leave out a directory of models that cannot be read."""


def _reporter(layer: Layer, report: Report) -> Callable[[int], None]:
    status = f"pushing {short(layer.digest)}"
    return lambda done: report(Progress(status, layer.digest, layer.size, done))
