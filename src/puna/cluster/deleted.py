"""Models that were deleted at an ingress, for nodes that were away then and have copies of them."""

import json
import logging
import threading
from collections.abc import Set as AbstractSet
from pathlib import Path

from puna.models.atomic import AtomicFile

_MOST = 1000
_log = logging.getLogger(__name__)


class Deleted:
    """The digests of the models that were deleted last. ``path`` is a file of them, which other ingresses may share.

    Every method reads it, and is for a thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()

    def digests(self) -> list[str]:
        """Return them, the one that was deleted last at the end."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            _log.warning("what models were deleted cannot be read: %s", error)
            return []
        return [digest for digest in found if isinstance(digest, str)] if isinstance(found, list) else []

    def add(self, digest: str) -> None:
        """Note that a model was deleted."""
        with self._writing:
            others = [other for other in self.digests() if other != digest]
            self._note([*others, digest][-_MOST:])

    def without(self, here: AbstractSet[str]) -> frozenset[str]:
        """Return them without those that are ``here`` again, which are forgotten."""
        with self._writing:
            digests = self.digests()
            left = [digest for digest in digests if digest not in here]
            if left != digests:
                self._note(left)
        return frozenset(left)

    def _note(self, digests: list[str]) -> None:
        try:
            with AtomicFile(self._path.parent) as file:
                file.file.write(json.dumps(digests).encode())
                file.publish(self._path)
        except OSError as error:
            _log.warning("nodes that are away will not hear of a model that is deleted: %s", error)
