"""What was measured, and the file that keeps it."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One figure of one subject, a value for each round.

    ``part`` is the part of the suite, ``subject`` who was measured (``puna``, ``llama-server``, a peer …), ``model``
    what it ran, or "" where that makes no difference; ``at`` is a number of streams, where it does.
    """

    part: str
    measure: str
    subject: str
    unit: str
    values: tuple[float, ...]
    model: str = ""
    at: int = 0


@dataclass(slots=True)
class Record:
    """All series, with the machine, and by part the commands and versions that they come from.

    ``loads`` are the machine's load averages when a part began: above 0 somebody else used it too.
    """

    machine: dict[str, Any] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    loads: dict[str, float] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Return what a file holds; an empty record if there is none."""
        if not path.exists():
            return cls()
        data = json.loads(path.read_text(encoding="utf-8"))
        data["series"] = [Series(**entry | {"values": tuple(entry["values"])}) for entry in data["series"]]
        return cls(**data)

    def save(self, path: Path) -> None:
        """Write everything to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(json.dumps(self._json(), indent=1) + "\n", encoding="utf-8")
        partial.replace(path)

    def replace(self, part: str, command: str, version: str, series: Iterable[Series], load: float = 0.0) -> None:
        """Put the series of one run of a part in the place of those of the run before."""
        self.series = [entry for entry in self.series if entry.part != part] + list(series)
        self.commands[part] = command
        self.versions[part] = version
        self.loads[part] = round(load, 1)

    def find(self, measure: str, subject: str, *, model: str | None = None, at: int = 0) -> Series | None:
        """Return the one series of a measure, or ``None``; without ``model``, whatever the model."""
        for entry in self.series:
            named = (entry.measure, entry.subject, entry.at) == (measure, subject, at)
            if named and model in (None, entry.model):
                return entry
        return None

    def _json(self) -> dict[str, Any]:
        entries = [dataclasses.asdict(entry) for entry in self.series]
        for entry in entries:
            entry["values"] = [float(f"{value:.6g}") for value in entry["values"]]
        return {
            "machine": self.machine,
            "commands": self.commands,
            "versions": self.versions,
            "loads": self.loads,
            "series": entries,
        }
