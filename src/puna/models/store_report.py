"""What reading the whole store again showed."""

from dataclasses import dataclass
from typing import Any, Literal

_FAULTS = ("damaged", "missing", "unreadable")

State = Literal["damaged", "missing", "unreadable", "orphaned", "partial", "repaired"]
"""Of an unreadable file nothing is known: it stays where it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be with one blob."""

    state: State
    digest: str
    size: int
    models: tuple[str, ...] = ()
    """The models that need it."""
    ranges: tuple[tuple[int, int], ...] | None = None
    """Offset and size of the damaged parts, where a record tells them."""
    note: str = ""
    """What was done about it, or why nothing could be."""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as the API shows it."""
        entry: dict[str, Any] = {"state": self.state, "digest": self.digest, "size": self.size}
        if self.models:
            entry["models"] = list(self.models)
        if self.ranges is not None:
            entry["ranges"] = [{"offset": offset, "size": size} for offset, size in self.ranges]
        return entry | ({"note": self.note} if self.note else {})


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What reading the store showed."""

    checked: int = 0
    """Blobs of models that are there and were read."""
    size: int = 0
    """Their bytes."""
    findings: tuple[Finding, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    """Models whose manifest cannot be read, with the reason."""
    warnings: tuple[str, ...] = ()
    """What could not be written down on the way."""

    @property
    def ok(self) -> bool:
        """Return whether every model is whole. Blobs that none uses are no fault."""
        return not self.broken and all(finding.state not in _FAULTS for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as the API shows it."""
        return {
            "ok": self.ok,
            "checked": self.checked,
            "size": self.size,
            "findings": [finding.to_json() for finding in self.findings],
            "broken": [{"model": name, "reason": reason} for name, reason in self.broken],
            "warnings": list(self.warnings),
        }
