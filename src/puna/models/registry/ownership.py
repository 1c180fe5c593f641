"""Who fetches which piece from where all of a blob is, so that each leaves there once though several nodes want it.

Nodes agree without asking anybody: of those that pull a blob, the one with the highest hash together with a piece owns
it (rendezvous hashing). A node that joins or leaves changes the owner of no piece but its own. So two nodes that do not
yet see the same others never both own a piece, as long as a new one claims nothing before all have heard of it.
"""

import functools
import hashlib


@functools.lru_cache(maxsize=1 << 14)
def owner(digest: str, index: int, nodes: frozenset[str]) -> str:
    """Return which of ``nodes`` (at least one) owns a piece of a blob."""
    return max(nodes, key=lambda node: hashlib.sha256(f"{node} {digest} {index}".encode()).digest())
