"""Looks at the headers of what is to be loaded, before an engine does: files come into the store in other ways as well.

What was made or fetched here has been checked (``load_check.py``). Ollama puts models into the same store, and files
get damaged. So the headers are looked at before each load, as the engine would get them; a verdict is remembered until
a file changes. That takes 1 to 3 ms besides reading the header, and of the portable engine nobody waits for it: its
process starts meanwhile. The vocabulary is not walked (22 ms for 49,000 tokens, 73 ms for 150,000), nor is anything
loaded in a child process: that is done when an engine has refused (``runner.py``).
"""

from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from puna.models.fitness import check_fits, check_projector, is_known
from puna.models.gguf import GGUFError, kept_gguf
from puna.models.loadable import UnloadableError

_RELEASE = "2026.10.11549"
"""The release of the portable engine whose tables of tensors are known here: a later one may take more."""
State = tuple[str, int, int]
"""A file's path, which in a store is its digest, its bytes, and when it was changed, in nanoseconds."""


@cache
def knows_tables() -> bool:
    """Return whether the portable engine is of the release whose tables of tensors are known."""
    try:
        return version("xllamacpp") == _RELEASE
    except PackageNotFoundError:
        return False


def check_headers(model: Path, projector: Path | None, sources: tuple[Path, ...], *, tables: bool) -> None:
    """Raise ``UnloadableError`` if the header of a model, or of its projector, is one that no engine can load.

    ``sources`` are the files of which these were made, or which they are. ``tables`` says whether the engine's tables
    of tensors are known (``knows_tables``). Models of other architectures are the engine's to judge, and so is what
    cannot be read.
    """
    try:
        states = tuple(_state(path) for path in sources)
        reason = _reason(model, projector, states, tables)
    except OSError:
        return
    if reason:
        raise UnloadableError(reason)


def _state(path: Path) -> State:
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=256)
def _reason(model: Path, projector: Path | None, _: tuple[State, ...], tables: bool) -> str:
    """Return why the headers cannot be loaded, "" if nothing is known."""
    try:
        header = kept_gguf(model)
        if not is_known(header):
            return ""
        check_fits(header, tables=tables)
        if projector is not None:
            check_projector(kept_gguf(projector), header.embedding_length or 0)
    except GGUFError as error:
        return str(error)
    return ""
