"""Whether an engine can load what a model is made of: the question, its answers, and who may be asked.

The engine itself is the only list of what each architecture needs that is never out of date. It runs in a process of
its own (``engine/load_check.py``), so what is here is only the shape of the question.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from puna.errors import BadRequestError


class UnloadableError(BadRequestError):
    """An engine cannot load a model because of what its files say; the text is the reason."""


class UnknownArchitectureError(UnloadableError):
    """The engine does not know the model's architecture; a later one may."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files that one runner would load together."""

    model: Path
    adapters: tuple[Path, ...] = ()
    projector: Path | None = None


LoadCheck = Callable[[ModelFiles], None]
"""Raises ``UnloadableError`` or ``UnknownArchitectureError`` for files that cannot be loaded."""


def anything(_: ModelFiles) -> None:
    """Ask nobody: for stores without an engine beside them."""
