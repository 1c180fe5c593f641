"""The files that a runner loads, in the layout that the engine reads.

A file of another layout is translated into one that has no name; the runner inherits it, and it is gone when the runner
is. Which way was taken, and why, stands in the log.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from puna.engine.config import RunnerConfig
from puna.engine.header_check import check_headers, knows_tables
from puna.engine.vllm.program import is_vllm
from puna.models.gguf import GGUFFile, kept_gguf
from puna.models.layouts.stored import Stored, place_for
from puna.models.layouts.translation import Translation, language_model, projector
from puna.models.loadable import UnsupportedModelError
from puna.models.registry.threads import in_thread, taken_in_thread
from puna.models.unsupported import unsupported

_log = logging.getLogger(__name__)
_WHY = {
    "shared": "its data are the original's own",
    "memory": "the file system cannot share data between files",
    "copied": "memory has no room for it",
}


@dataclass(frozen=True, slots=True)
class EngineFiles:
    """What a runner is started with: ``config`` names files that it can open.

    ``sources`` are the model and its projector as they lie in the store.
    """

    config: RunnerConfig
    stored: tuple[Stored, ...] = ()
    sources: tuple[Path, ...] = ()

    @classmethod
    def of(cls, config: RunnerConfig) -> "EngineFiles":
        """Return the files of a configuration, all written: what ``open`` and ``fill`` do, for threads."""
        made = _places(config)
        try:
            made._write()
        except BaseException:
            made.close()
            raise
        return made

    @classmethod
    async def open(cls, config: RunnerConfig) -> "EngineFiles":
        """Return the files of a configuration, of which those that are translated are still empty (``fill``).

        Raises ``GGUFError`` for a file that cannot be translated, ``UnsupportedModelError`` for what cannot run.
        """
        return await taken_in_thread(lambda: _places(config), EngineFiles.close)

    async def fill(self) -> None:
        """Write what is translated, which takes as long as copying what must be copied, and look at the headers.

        Raises ``NoRoomError`` for what has room nowhere, ``GGUFError`` for a file that has changed meanwhile, and
        ``UnloadableError`` for a header that no engine can load.
        """
        await in_thread(self._prepare)  # what it writes to must not be closed under it

    def _prepare(self) -> None:
        self._write()
        if self.sources:
            projector = Path(self.config.projector_path) if self.config.projector_path else None
            # A llama-server may be newer than what is known here of the tensors that an architecture has.
            tables = not self.config.engine and knows_tables()
            check_headers(Path(self.config.model_path), projector, self.sources, tables=tables)

    def _write(self) -> None:
        for item in self.stored:
            item.fill()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Return the open files that the runner must inherit."""
        return tuple(item.descriptor for item in self.stored)

    @property
    def in_memory(self) -> int:
        """Return the bytes that lie in memory and nowhere else."""
        return sum(item.size for item in self.stored if item.in_memory)

    def close(self) -> None:
        """Close them here; what the runner has open stays."""
        for item in self.stored:
            item.close()


def _places(config: RunnerConfig) -> EngineFiles:
    if is_vllm(config.engine):
        return EngineFiles(config)  # it reads a checkpoint's directory as it is
    model = Path(config.model_path)
    gguf = _header(model)
    if gguf is None:
        return EngineFiles(config)
    if reason := unsupported(gguf):
        raise UnsupportedModelError(reason)
    stored: list[Stored] = []
    sources = (model, *([Path(config.projector_path)] if config.projector_path else []))
    try:
        if seen := _projector(config, gguf):
            stored.append(_stored(seen, model))
            config = replace(config, projector_path=stored[-1].path)
        if read := language_model(gguf):
            stored.append(_stored(read, model))
            config = replace(config, model_path=stored[-1].path)
        if config.draft_path and (guessing := language_model(kept_gguf(Path(config.draft_path)))):
            stored.append(_stored(guessing, model))
            config = replace(config, draft_path=stored[-1].path)
    except BaseException:
        for item in stored:
            item.close()
        raise
    return EngineFiles(config, tuple(stored), sources)


def _header(path: Path) -> GGUFFile | None:
    """Return the header of a file, ``None`` of what the engine must find by its name or complain of itself."""
    try:
        gguf = kept_gguf(path)
    except OSError:
        return None
    return None if (gguf.whole("split.count") or 0) > 1 else gguf


def _projector(config: RunnerConfig, model: GGUFFile) -> Translation | None:
    if not config.projector_path:
        return None
    if config.projector_path == config.model_path:
        return projector(model)
    return language_model(kept_gguf(Path(config.projector_path)))


def _stored(translation: Translation, original: Path) -> Stored:
    stored = place_for(translation, original.parent, int(psutil.virtual_memory().available))
    _log.info(
        "%s has the layout %s; translated, %s: %s (%d MiB)",
        translation.gguf.path.name,
        translation.layout,
        stored.way,
        _WHY[stored.way],
        stored.size >> 20,
    )
    return stored
