"""Which models were made on this machine, so that no registry is asked for them.

For each there is a file under ``puna/made`` in the models directory. One that is lost costs a question to a registry,
and so does a model that another program made.
"""

import contextlib
import json
import logging
from pathlib import Path

from puna.errors import ModelNotFoundError
from puna.models.atomic import AtomicFile, remove_leftovers
from puna.models.manifests import BadManifestError, ManifestStore
from puna.models.storage import StorageError, storage_errors
from puna.models.store import digest_bytes
from puna.names import InvalidNameError, ModelName, parse_name

_log = logging.getLogger(__name__)


class MadeHere:
    """The names that were given to models by making or copying them, and not by pulling."""

    def __init__(self, root: Path, manifests: ManifestStore) -> None:
        self._directory = root / "puna" / "made"
        self._manifests = manifests

    def add(self, name: ModelName, digest: str) -> None:
        """Remember that the model of this name and digest was made here."""
        path = self._path(name)
        try:
            with storage_errors(path), AtomicFile(self._directory) as target:
                target.file.write(json.dumps({"name": str(name.path), "digest": digest}).encode())
                target.publish(path)
        except StorageError as error:
            _log.warning("that %s was made here is not remembered: %s", name, error)

    def remove(self, name: ModelName) -> None:
        """Forget a name: its model is gone, or a registry has it."""
        with contextlib.suppress(OSError):
            self._path(name).unlink(missing_ok=True)

    def has(self, name: ModelName) -> bool:
        """Return whether the model that has this name now was made here. Another program may have pulled over it."""
        try:
            known = json.loads(self._path(name).read_bytes())["digest"]
            return bool(known == self._manifests.read(name).digest)
        except (OSError, ValueError, KeyError, TypeError, ModelNotFoundError, BadManifestError):
            return False

    def clean(self) -> None:
        """Forget the names that another program removed or gave away."""
        remove_leftovers(self._directory)
        for path in self._directory.glob("*.json"):
            with contextlib.suppress(OSError):
                if not self._holds(path):
                    path.unlink(missing_ok=True)

    def _holds(self, path: Path) -> bool:
        try:
            *place, tag = json.loads(path.read_bytes())["name"].split("/")
            return self.has(parse_name(f"{'/'.join(place)}:{tag}"))
        except (ValueError, KeyError, TypeError, AttributeError, InvalidNameError):
            return False

    def _path(self, name: ModelName) -> Path:
        return self._directory / f"{digest_bytes(name.key.encode()).removeprefix('sha256:')}.json"
