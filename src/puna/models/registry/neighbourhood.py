"""With whom a node exchanges blobs, apart from how: most servers never do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from puna.models.registry.peers import Peers
from puna.models.registry.sharing import Sharing


class Tell(Protocol):
    """Is called with the bytes that have arrived, and how many of them came from which host, where that is known."""

    def __call__(self, done: int, sources: Mapping[str, int] | None = None) -> None:
        """Take note of it."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """With whom blobs are exchanged: what this node shares, and its peers."""

    sharing: Sharing
    peers: Peers

    @property
    def is_empty(self) -> bool:
        """Return whether there is nobody to exchange anything with."""
        return not self.sharing.is_on and not self.peers.all()
