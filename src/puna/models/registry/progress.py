"""The progress of a pull or a push, as Ollama's stream shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the stream: a status and, while a blob moves, its digest and bytes."""

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0
    sources: Mapping[str, int] = field(default_factory=dict)
    """Where the bytes came from that came in this pull, where there was a choice: bytes by host."""

    @property
    def key(self) -> str:
        """Return what tells the lines of which only the latest matters: the blob, or else the status."""
        return f"{self.status} {self.digest}"

    def to_json(self) -> dict[str, Any]:
        """Return the line as an object; empty fields are left out, as Ollama does."""
        entry: dict[str, Any] = {"status": self.status}
        for name in ("digest", "total", "completed", "sources"):
            if value := getattr(self, name):
                entry[name] = value
        return entry


Report = Callable[[Progress], None]
"""What is called with each step. It must not block."""


def short(digest: str) -> str:
    """Return the twelve digits by which the stream names a blob."""
    return digest.removeprefix("sha256:")[:12]
