"""What `puna tune` has measured: kept on this machine, for this engine and these weights alone.

A file for each of them, which only this user can read. It says what it is about, and is used only if that is what was
asked for and every value is one that could have been stored.
"""

import dataclasses
import functools
import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from puna.models.atomic import AtomicFile, remove_leftovers
from puna.models.manifests import ADAPTER, MODEL, PROJECTOR
from puna.models.model import Model
from puna.scheduler.tuned import UNTUNED, BadTuningError, Tuned

_log = logging.getLogger(__name__)
_LARGEST_FILE = 1 << 16


@dataclass(frozen=True, slots=True)
class TuningKey:
    """What a measurement holds for: the digests of the files that the engine loads, the engine, the processor."""

    files: tuple[str, ...]
    engine: str
    processor: str
    cores: int
    features: str
    """A digest of all that the system says of the processor's abilities."""

    @classmethod
    def of(cls, model: Model, engine: str) -> Self:
        """Return the key for ``model`` on this machine; ``engine`` is what identifies the engine."""
        name, features = _processor()
        return cls(loaded_files(model), engine, name, usable_cores(), features)


@dataclass(frozen=True, slots=True)
class Measured:
    """A stored result. ``speeds`` are ratios to what Puna does without it; ``measured_at`` is in ISO 8601."""

    key: TuningKey
    model: str
    tuned: Tuned
    speeds: Mapping[str, float]
    measured_at: str


class TuningStore:
    """All results in one directory. Reading one that has not changed costs a look at its time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[Path, tuple[tuple[int, int], Tuned]] = {}

    def get(self, model: Model, engine: str) -> Tuned:
        """Return what is stored for ``model`` on this machine; what cannot be used is left alone, with a warning."""
        key = TuningKey.of(model, engine)
        path = self._path(key)
        try:
            stat = path.stat()
        except OSError:
            return UNTUNED
        version = (stat.st_mtime_ns, stat.st_ino)
        known = self._read.get(path)
        if known is None or known[0] != version:
            known = version, self._usable(path, key, model)
            self._read[path] = known
        return known[1]

    def _usable(self, path: Path, key: TuningKey, model: Model) -> Tuned:
        try:
            measured = _parse(path)
            if measured.key != key:
                raise BadTuningError("it is about something else")
        except (OSError, BadTuningError) as error:
            _log.warning("what was measured for %s is not used (%s): %s", model.name, error, path)
            return UNTUNED
        _log.info("%s is loaded as measured: %s", model.name, measured.tuned)
        return measured.tuned

    def put(self, measured: Measured) -> None:
        """Store a result in the place of an older one. Raises ``OSError``."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        remove_leftovers(self._directory)
        text = json.dumps(dataclasses.asdict(measured), indent=1)
        with AtomicFile(self._directory) as file:
            os.fchmod(file.file.fileno(), 0o600)
            file.file.write(text.encode())
            file.publish(self._path(measured.key))

    def list(self) -> list[Measured]:
        """Return all results, the latest first."""
        found = [measured for _, measured in self._all()]
        return sorted(found, key=lambda measured: measured.measured_at, reverse=True)

    def remove(self, model: Model | None) -> int:
        """Remove the results for the files of ``model``, or all, for whatever engine; return how many there were."""
        files = loaded_files(model) if model else None
        paths = [path for path, measured in self._all() if files in (None, measured.key.files)]
        if model is None:
            paths = sorted(self._directory.glob("*.json"))
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def _all(self) -> Iterator[tuple[Path, Measured]]:
        for path in sorted(self._directory.glob("*.json")):
            try:
                yield path, _parse(path)
            except (OSError, BadTuningError) as error:
                _log.warning("%s cannot be used: %s", path, error)

    def _path(self, key: TuningKey) -> Path:
        text = json.dumps(dataclasses.astuple(key))
        return self._directory / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def loaded_files(model: Model) -> tuple[str, ...]:
    """Return the digests of the files that an engine loads for ``model``: a system message changes no speed."""
    return tuple(layer.digest for kind in (MODEL, ADAPTER, PROJECTOR) for layer in model.manifest.of_type(kind))


def _parse(path: Path) -> Measured:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise BadTuningError("it is too large")
        about = json.loads(path.read_bytes())
        key = TuningKey(**about["key"] | {"files": tuple(about["key"]["files"])})
        tuned = Tuned.parse(about["tuned"])
        if max(tuned.threads, tuned.threads_batch) > key.cores:
            raise BadTuningError("it has more threads than there are cores")
        return Measured(
            key=key,
            model=str(about["model"]),
            tuned=tuned,
            speeds={str(name): float(ratio) for name, ratio in about["speeds"].items()},
            measured_at=str(about["measured_at"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadTuningError(f"it is not a result of puna tune ({error})") from error


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _processor() -> tuple[str, str]:
    """Return the processor's name and a digest of what the system says of it that does not change by itself."""
    told: dict[str, str] = {"machine": platform.machine(), "processor": platform.processor()}
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")
    except OSError:
        first = ""
    lines = (line.partition(":") for line in first.splitlines())
    told |= {name.strip(): value.strip() for name, _, value in lines if name.strip() in _LASTING}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return told.get("model name") or told["processor"] or told["machine"], digest


_LASTING = {"model name", "vendor_id", "cpu family", "model", "flags", "Features", "CPU implementer", "CPU part"}
"""Lines of Linux's account of a processor, which has its clock's momentary speed as well."""
