"""Models of the user's own store, lent to a server for tests."""

from contextlib import suppress
from pathlib import Path

from puna.errors import ModelNotFoundError
from puna.models.library import Library
from puna.models.manifests import ManifestStore
from puna.names import parse_name
from puna.settings import Settings
from puna.testing.process import ServerError


def lend(name: str, store: Path) -> None:
    """Put a model into ``store`` by links to the user's own, unless it is there; nothing is copied or fetched.

    Raises ``ServerError`` if nobody has it.
    """
    wanted, library = parse_name(name), Library(store)
    try:
        library.get(wanted)
    except ModelNotFoundError:
        source = Library(Settings.from_env().models)
        try:
            manifest = source.get(wanted).manifest
        except ModelNotFoundError:
            here = f"neither built in nor in {source.root}: puna pull {name} brings it"
            raise ServerError(f"the model {name!r}, which the tests ask for, is {here}") from None
        library.blobs.directory.mkdir(parents=True, exist_ok=True)
        for layer in (manifest.config, *manifest.layers):
            with suppress(FileExistsError):  # another process may be at the same
                library.blobs.path_for_write(layer.digest).symlink_to(source.blobs.path(layer.digest))
        ManifestStore(store).write(wanted, manifest)
