"""What lists say of a model that only the headers of its files tell, read once for each model and kept."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from puna.errors import PunaError
from puna.inference.capabilities import capabilities
from puna.models.manifests import MODEL
from puna.models.model import Model


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model can do, and its sizes in tokens and numbers, 0 where its file does not say."""

    capabilities: tuple[str, ...] = ()
    context_length: int = 0
    embedding_length: int = 0


class FactsCache:
    """The facts of all models that were listed last, by the models' digests. Safe to use from threads."""

    def __init__(self) -> None:
        self._known: dict[str, Facts] = {}
        self._lock = threading.Lock()

    def of(self, models: Sequence[Model]) -> Mapping[str, Facts]:
        """Return the facts of each model whose files can be read, by digest; the others may be mended.

        Reads the headers of new models, which takes up to tens of milliseconds for each file: for a thread.
        """
        with self._lock:
            wanted = {model.digest: model for model in models}
            self._known = {digest: facts for digest, facts in self._known.items() if digest in wanted}
            new = [model for digest, model in wanted.items() if digest not in self._known]
            # Models of the same files come one after another, so that one header at a time is in memory.
            last: Model | None = None
            for model in sorted(new, key=_files):
                looked_at = model.apart(last if last and _files(last) == _files(model) else None)
                try:
                    self._known[model.digest] = facts_of(looked_at)
                except (PunaError, OSError):
                    continue
                last = looked_at
            return dict(self._known)


FACTS = FactsCache()
"""What is known in this process."""


def facts_of(model: Model) -> Facts:
    """Return the facts of one model; raise ``PunaError`` or ``OSError`` if its files cannot be read."""
    gguf = model.gguf
    return Facts(capabilities(model), gguf.context_length or 0, gguf.embedding_length or 0)


def _files(model: Model) -> list[str]:
    return [layer.digest for layer in model.manifest.of_type(MODEL)]
