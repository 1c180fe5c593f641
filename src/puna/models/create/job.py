"""One creation at work: the blobs that it brings together, what it reports, and how it stops without a trace."""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from puna.models.atomic import scratch_directory
from puna.models.create.progress import CancelledCheck, CreateCancelledError, Meter, Progress
from puna.models.gguf import GGUFFile, read_gguf
from puna.models.gguf_types import GGUFError
from puna.models.library import Library
from puna.models.loadable import LoadCheck, anything
from puna.models.manifests import Layer
from puna.models.storage import FULL, StorageError
from puna.models.store import digest_bytes

Report = Callable[[Mapping[str, Any]], None]
"""Receives progress in the form of Ollama's stream: ``{"status": …}``."""
_SPARE_BYTES = 64 << 20
_BLOCK = 4 << 20


@dataclass(frozen=True)
class Job:
    """What the steps of a creation share. Blobs that it holds are not removed while it lasts."""

    library: Library
    report: Report
    cancelled: CancelledCheck
    hold: Callable[[str], None]
    added: list[str] = field(default_factory=list)
    """The digests of blobs that this creation put in the store."""
    load_check: LoadCheck = anything

    def check(self) -> None:
        """Raise ``CreateCancelledError`` when nobody waits for the model any more."""
        if self.cancelled():
            raise CreateCancelledError("request canceled")

    def say(self, status: str) -> None:
        """Report a step."""
        self.check()
        self.report({"status": status})

    def meter(self, status: str, digest: str = "") -> Callable[[Progress], None]:
        """Return a function that reports bytes under ``status``; ``digest`` is the blob that they are read from."""
        named = {"digest": digest} if digest else {}

        def tell(progress: Progress) -> None:
            self.report({"status": status, **named, "total": progress.total, "completed": progress.completed})

        return tell

    def existing(self, media_type: str, digest: str, source: str = "") -> Layer:
        """Return a layer of a blob that the store has; raise ``BlobNotFoundError``."""
        self.hold(digest)
        return Layer(media_type, digest, self.library.blobs.path(digest).stat().st_size, source)

    def add(self, media_type: str, data: bytes) -> Layer:
        """Return a layer with this content, put in the store if it is not there."""
        digest = digest_bytes(data)
        self.hold(digest)
        is_new = not self.library.blobs.has(digest)
        self.library.blobs.add(data)
        return self._added(Layer(media_type, digest, len(data)), is_new=is_new)

    def add_file(self, media_type: str, path: Path) -> Layer:
        """Return a layer of a file that was made in the scratch directory; the store takes it from there."""
        digest = self._digest(path)
        self.hold(digest)
        size = path.stat().st_size
        is_new = not self.library.blobs.has(digest)
        self.library.blobs.adopt(path, digest)
        return self._added(Layer(media_type, digest, size), is_new=is_new)

    def _digest(self, path: Path) -> str:
        state = hashlib.sha256()
        with path.open("rb") as file, Meter("hashing", path.stat().st_size, lambda _: None, self.cancelled) as meter:
            while block := file.read(_BLOCK):
                state.update(block)
                meter.advance(len(block))
        return f"sha256:{state.hexdigest()}"

    def _added(self, layer: Layer, *, is_new: bool) -> Layer:
        if is_new:
            self.added.append(layer.digest)
        self.say(f"{'creating new' if is_new else 'using existing'} layer {layer.digest}")
        return layer

    def read(self, name: str, digest: str) -> GGUFFile:
        """Return the header of an uploaded GGUF file; errors call it ``name``."""
        path = self.library.blobs.path(digest)
        try:
            return read_gguf(path)
        except GGUFError as error:
            raise GGUFError(str(error).replace(path.name, name)) from None

    @contextlib.contextmanager
    def scratch(self, needed: int) -> Iterator[Path]:
        """Give a directory in the store for files of ``needed`` bytes together; raise ``StorageError`` without room."""
        root = self.library.root
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
        if free < needed + _SPARE_BYTES:
            raise StorageError(f"not enough space: the work needs {needed} bytes, and {root} has {free} left", FULL)
        with scratch_directory(root) as directory:
            yield directory

    def lay_out(self, files: Mapping[str, str], directory: Path) -> None:
        """Give uploaded files their names back, as links in ``directory``. The names must have been checked."""
        for name, digest in files.items():
            self.hold(digest)
            link = directory / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(self.library.blobs.path(digest).absolute())
