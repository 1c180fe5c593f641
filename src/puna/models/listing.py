"""The list of all models, made again only when a manifest or a directory of manifests has changed."""

import os
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from puna.models.model import Model
from puna.names import ModelName

_DEPTH = 4
"""Levels of directories under ``manifests``: itself, host, namespace and model."""
_MOST_PARTS = 64
_SETTLED_NS = 2_000_000_000
"""A change may bear the time of an earlier look at the directory if both fell into one tick of the file system's clock.
The coarsest ticks are two seconds."""

_State = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Listing:
    """Every model, the most recently changed first, and the names that cannot be read with the reason."""

    models: tuple[Model, ...]
    broken: tuple[tuple[str, str], ...]
    """Names of models, or of directories of them."""
    _parts: dict[Hashable, "Listing"] = field(default_factory=dict, repr=False)

    def of(self, choice: Hashable, is_chosen: Callable[[ModelName], bool]) -> "Listing":
        """Return the models whose names are chosen: the same object for the same ``choice``.

        Names that cannot be read are left out: nobody knows whose they are.
        """
        if not choice:
            return self
        part = self._parts.get(choice)
        if part is None:
            if len(self._parts) >= _MOST_PARTS:
                self._parts.clear()
            part = self._parts[choice] = Listing(tuple(model for model in self.models if is_chosen(model.name)), ())
        return part


class Snapshot:
    """The state of every directory and file of some trees of manifests at one moment."""

    def __init__(self, roots: Sequence[Path]) -> None:
        started = time.time_ns()
        self._states = {path: _state(path) for root in roots for path in _tree(str(root), _DEPTH)}
        newest = max((state[0] for state in self._states.values() if state), default=0)
        self._is_settled = newest < started - _SETTLED_NS

    def still_holds(self) -> bool:
        """Return whether nothing has changed since, and that can be told for sure."""
        return self._is_settled and all(_state(path) == state for path, state in self._states.items())


def _state(path: str) -> _State | None:
    try:
        stat = os.stat(path)  # noqa: PTH116 - a Path for each of thousands of files takes longer than all the rest
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _tree(path: str, depth: int) -> Iterator[str]:
    yield path
    if depth:
        try:
            with os.scandir(path) as entries:
                names = [entry.path for entry in entries]
        except OSError:
            return
        for name in names:
            yield from _tree(name, depth - 1)
