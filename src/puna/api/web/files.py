"""The page's files: read once, compressed once, and named by a digest of all, so that browsers may keep them."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DIRECTORY = Path(__file__).with_name("static")
_DIGITS = 16
_STYLES = "style/"
STYLE = "style.css"
"""The styles in one file, in the order of their names: what is painted first waits for one request."""
_COMPRESSED_ALREADY = ("font/woff2",)
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".woff2": "font/woff2"}


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent: ``content`` is compressed by gzip if ``compressed``."""

    media_type: str
    content: bytes
    compressed: bool

    @property
    def plain(self) -> bytes:
        """Return the bytes as they are on disk."""
        return gzip.decompress(self.content) if self.compressed else self.content


@dataclass(frozen=True, slots=True)
class Files:
    """All files by their paths, with a ``digest`` of their names and contents."""

    digest: str
    by_path: Mapping[str, File]


@cache
def files() -> Files:
    """Return the page's files. The first call reads and compresses them, which takes a tenth of a second."""
    found = {path.relative_to(_DIRECTORY).as_posix(): path.read_bytes() for path in _paths()}
    styles = [name for name in found if name.startswith(_STYLES)]
    found[STYLE] = b"\n".join(found.pop(name) for name in styles)
    digest = hashlib.sha256()
    for name, content in found.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return Files(digest.hexdigest()[:_DIGITS], {name: _file(name, content) for name, content in found.items()})


def _paths() -> list[Path]:
    return sorted(path for path in _DIRECTORY.rglob("*") if path.is_file())


def _file(name: str, content: bytes) -> File:
    media_type = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "text/plain; charset=utf-8"
    if media_type in _COMPRESSED_ALREADY:
        return File(media_type, content, compressed=False)
    return File(media_type, gzip.compress(content, 9, mtime=0), compressed=True)
