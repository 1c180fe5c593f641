"""Models that were deleted at an ingress, for nodes that were away then and have copies of them."""

import logging
import threading
from collections.abc import Set as AbstractSet
from pathlib import Path

from puna.cluster.noted import read_words, write_words

_MOST = 1000
_UNHEARD = "nodes that are away will not hear of a model that is deleted: %s"
_log = logging.getLogger(__name__)


class Deleted:
    """The digests of the models that were deleted last. ``path`` is a file of them, which other ingresses may share.

    Every method reads it, and is for a thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()

    def digests(self) -> list[str]:
        """Return them, the one that was deleted last at the end. Raises ``OSError``."""
        return read_words(self._path)

    def add(self, digest: str) -> None:
        """Note that a model was deleted."""
        with self._writing:
            try:
                others = [other for other in self.digests() if other != digest]
            except OSError as error:
                _log.warning(_UNHEARD, error)
                return
            self._note([*others, digest][-_MOST:])

    def without(self, here: AbstractSet[str]) -> frozenset[str]:
        """Return them without those that are ``here`` again, which are forgotten. Raises ``OSError``."""
        with self._writing:
            digests = self.digests()
            left = [digest for digest in digests if digest not in here]
            if left != digests:
                self._note(left)
        return frozenset(left)

    def _note(self, digests: list[str]) -> None:
        try:
            write_words(self._path, digests)
        except OSError as error:
            _log.warning(_UNHEARD, error)
