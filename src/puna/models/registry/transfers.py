"""Everything that goes between this machine's models and registries, put together from the settings."""

import contextlib
from pathlib import Path

from yarl import URL

from puna.models.atomic import remove_leftovers
from puna.models.loadable import LoadCheck, anything
from puna.models.registry.api import RegistryApi
from puna.models.registry.auth import Authenticator
from puna.models.registry.blobs import BlobKeeper
from puna.models.registry.credentials import CredentialStore
from puna.models.registry.http import RegistryHttp
from puna.models.registry.identity import Identity
from puna.models.registry.neighbourhood import Neighbourhood
from puna.models.registry.options import TransferOptions
from puna.models.registry.peers import Peers
from puna.models.registry.policy import AccessPolicy
from puna.models.registry.pull import ModelStore, Puller
from puna.models.registry.push import Pusher
from puna.models.registry.sharing import Sharing
from puna.models.registry.upload import UploadStore
from puna.models.storage import StorageError
from puna.models.verify import Verifier
from puna.settings import Settings


class Transfers:
    """Pulls, pushes and repairs for one library. Make it and close it on the event loop that uses it.

    ``load_check`` says of a model that has been fetched whether it can be run.
    """

    def __init__(
        self,
        settings: Settings,
        library: ModelStore,
        *,
        options: TransferOptions | None = None,
        identity: Identity | None = None,
        load_check: LoadCheck = anything,
    ) -> None:
        options = options or TransferOptions()
        policy = AccessPolicy.from_settings(settings)
        self.identity = identity or Identity()
        authenticator = Authenticator(CredentialStore(settings.registry_auth), self.identity)
        self._http = RegistryHttp(policy, authenticator, options)
        api = RegistryApi(self._http, options)
        root: Path = library.blobs.directory.parent
        self.sharing = Sharing(root, settings.share)
        self.peers = Peers(self._http, api, map(URL, settings.peers))
        neighbourhood = Neighbourhood(self.sharing, self.peers)
        self.keeper = BlobKeeper(root, library.blobs, options, neighbourhood)
        self._uploads = UploadStore(root)
        self.puller = Puller(library, api, self.keeper, policy, load_check, self.peers)
        self.verifier = Verifier(library, api, self.keeper, policy)
        self.pusher = Pusher(library, api, self._uploads, policy, options)

    def clean(self) -> int:
        """Remove what processes that were killed left half-written; return how many files. Downloads are kept."""
        with contextlib.suppress(StorageError):
            self.keeper.forget_gone()
        self._uploads.clean()
        self.sharing.clean(self.keeper.blobs.directory)
        return remove_leftovers(self.keeper.records.directory) + remove_leftovers(self._uploads.directory)

    async def close(self) -> None:
        """End what is under way and close the connections to registries."""
        for part in (self.puller, self.pusher, self.keeper, self.sharing):
            await part.close()
        await self._http.close()
