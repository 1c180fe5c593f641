"""Whether an engine can load what a model is made of: the question, its answers, and who is asked.

The engine itself is the only list of what each architecture needs that is never out of date. It runs in a process of
its own (``engine/load_check.py``), so what is here is only the shape of the question.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from puna.errors import BadRequestError
from puna.models import manifests
from puna.models.manifests import Layer
from puna.models.split import linked_parts
from puna.models.store import BlobStore


class UnloadableError(BadRequestError):
    """An engine cannot load a model because of what its files say; the text is the reason."""


class UnsupportedModelError(UnloadableError):
    """Nothing is wrong with the files, but no engine here can run them; a later one may, or a later file."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"this model cannot run here: {reason}")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files that one runner would load together."""

    model: Path
    adapters: tuple[Path, ...] = ()
    projector: Path | None = None


LoadCheck = Callable[[ModelFiles], None]
"""Raises ``UnloadableError`` or ``UnsupportedModelError`` for files that cannot be loaded."""


def anything(_: ModelFiles) -> None:
    """Ask nobody: for stores without an engine beside them."""


def try_to_load(layers: Iterable[Layer], blobs: BlobStore, load_check: LoadCheck) -> None:
    """Have the files of a model tried that are among ``layers``.

    Raises ``UnsupportedModelError`` and ``UnloadableError`` with the reason.
    """
    kinds: dict[str, list[Path]] = {manifests.MODEL: [], manifests.ADAPTER: [], manifests.PROJECTOR: []}
    for layer in layers:
        if layer.media_type in kinds:
            kinds[layer.media_type].append(blobs.path(layer.digest))
    paths, adapters, projectors = kinds.values()
    if not paths:
        return
    model = paths[0] if len(paths) == 1 else linked_parts(paths, blobs.directory.parent)
    try:
        load_check(ModelFiles(model, tuple(adapters), projectors[0] if projectors else None))
    except UnsupportedModelError:
        raise
    except UnloadableError as error:
        raise UnloadableError(f"the engine cannot load this model: {error}") from None
