"""How transfers are cut into pieces, and how patient they are."""

import random
from dataclasses import dataclass

from puna.models.atomic import WHOLE

MIB = 1 << 20
_MOST_PARTS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """Sizes in bytes, times in seconds."""

    part_size: int = 32 * MIB
    """One range of a download, with a checksum of its own."""
    connections: int = 8
    """Ranges under way at a time, over all downloads."""
    chunk_size: int = 64 * MIB
    """One PATCH of an upload."""
    connect_timeout: float = 30.0
    stall_timeout: float = 30.0
    """A connection that brings nothing for this long is given up."""
    attempts: int = 6
    """Failures in a row, without a byte between them, after which a request is given up."""
    first_delay: float = 0.5
    longest_delay: float = 15.0
    checkpoint_interval: float = 1.0
    """How often the state that a restart resumes from is written."""

    def delay(self, failures: int) -> float:
        """Return how long to wait after this many failures: doubling, with jitter so that clients spread out."""
        longest = min(self.longest_delay, self.first_delay * 2.0 ** (failures - 1))
        return longest * random.uniform(0.5, 1.0)

    def part_size_for(self, size: int) -> int:
        """Return the size of the parts of a blob: larger ones where there would be too many."""
        if size <= self.part_size * _MOST_PARTS:
            return self.part_size
        return -(-size // (_MOST_PARTS * WHOLE)) * WHOLE
