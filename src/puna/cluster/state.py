"""What nodes say of themselves, as plain data."""

from dataclasses import dataclass, field

from puna.scheduler.admission import RequestState
from puna.scheduler.residency import LoadState

PROTOCOL = 2
"""What crosses between ingress and node; another number is another language."""


@dataclass(frozen=True, slots=True)
class Held:
    """A model in a node's memory: its slots and its bytes.

    ``others`` is how many requests use or wait for the slots beside those of whoever the state is told.
    """

    digest: str
    slots: int
    size: int
    others: int = 0


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node at one moment. ``memory`` is what it has for models, in bytes, and ``stored`` the digests on its disk.

    ``store`` is the address at which others take models from it, with the key in it; it has ``sent`` so many bytes.
    ``saved`` are the places of saved conversations, each after the digest of its model, and ``predicts`` tells that its
    engine makes use of predictions.
    """

    id: str
    address: str = ""
    version: str = ""
    protocol: int = PROTOCOL
    engine: str = ""
    memory: int = 0
    held: tuple[Held, ...] = ()
    stored: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    draining: bool = False
    store: str = field(default="", repr=False)
    sent: int = 0
    saved: tuple[tuple[str, str], ...] = ()
    predicts: bool = False

    @property
    def usable(self) -> bool:
        """Return whether it may be sent requests."""
        return not self.draining and self.protocol == PROTOCOL

    @property
    def free(self) -> int:
        """Return the bytes that no model takes."""
        return max(0, self.memory - sum(held.size for held in self.held))


@dataclass(frozen=True, slots=True)
class Report:
    """What a node tells when it is asked in full.

    Each of ``models`` is a packed ``ModelState``: an ingress may not know all of them.
    """

    models: tuple[bytes, ...] = ()
    requests: tuple[RequestState, ...] = ()
    loads: tuple[LoadState, ...] = ()
