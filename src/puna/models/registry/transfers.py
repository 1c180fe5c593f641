"""Everything that goes between this machine's models and registries, put together from the settings."""

from pathlib import Path

from puna.models.registry.api import RegistryApi
from puna.models.registry.auth import Authenticator
from puna.models.registry.blobs import BlobKeeper
from puna.models.registry.credentials import CredentialStore
from puna.models.registry.http import RegistryHttp
from puna.models.registry.identity import Identity
from puna.models.registry.options import TransferOptions
from puna.models.registry.policy import AccessPolicy
from puna.models.registry.pull import ModelStore, Puller
from puna.models.registry.push import Pusher
from puna.models.registry.upload import UploadStore
from puna.models.verify import Verifier
from puna.settings import Settings


class Transfers:
    """Pulls, pushes and repairs for one library. Make it and close it on the event loop that uses it."""

    def __init__(
        self,
        settings: Settings,
        library: ModelStore,
        *,
        options: TransferOptions | None = None,
        identity: Identity | None = None,
    ) -> None:
        options = options or TransferOptions()
        policy = AccessPolicy.from_settings(settings)
        self.identity = identity or Identity()
        authenticator = Authenticator(CredentialStore(settings.registry_auth), self.identity)
        self._http = RegistryHttp(policy, authenticator, options)
        api = RegistryApi(self._http, options)
        root: Path = library.blobs.directory.parent
        self.keeper = BlobKeeper(root, library.blobs, options)
        self.puller = Puller(library, api, self.keeper, policy)
        self.verifier = Verifier(library, api, self.keeper, policy)
        self.pusher = Pusher(library, api, UploadStore(root), policy, options)

    async def close(self) -> None:
        """Close the connections to registries."""
        await self._http.close()
