"""llama.cpp's source: out of a package on the Python index, which is reachable where its own host is not."""

import hashlib
import tarfile
from pathlib import Path, PurePosixPath

from puna.engine.build import index
from puna.engine.build.errors import BuildError
from puna.engine.build.work import Work

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
COMMIT = "0c1e570"
"""The commit of llama.cpp that the package holds."""
_INSIDE = PurePosixPath(f"llama_cpp_python-{VERSION}/vendor/llama.cpp")
_UNUSED = {".devops", ".git", ".github", "benches", "docs", "examples", "media", "models", "tests"}
_BLOCK = 1 << 20


def fetch(work: Work) -> Path:
    """Download the pinned package, make sure that it is the right one, and return llama.cpp's directory out of it."""
    wanted, place = work.place / "requirements.txt", work.place / "download"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    flags = ["--no-deps", "--no-binary", PACKAGE, "--dest", str(place), "--requirement", str(wanted)]
    index.ask_pip(work, "the source", ["download", *flags], f"{PACKAGE} {VERSION}")
    archives = list(place.glob("*.tar.gz"))
    if len(archives) != 1:
        raise BuildError(f"the package index gave no source archive; the log is {work.log}")
    verify(archives[0], SHA256)
    source = unpack(archives[0], work.place / "source")
    archives[0].unlink()
    return source


def verify(archive: Path, sha256: str) -> None:
    """Raise ``BuildError`` unless the file has this SHA-256."""
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != sha256:
        raise BuildError(f"the source has the SHA-256 {digest.hexdigest()} instead of {sha256}, and was not used")


def unpack(archive: Path, place: Path) -> Path:
    """Unpack what a build needs of the archive into ``place`` and return llama.cpp's directory."""
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.3 and earlier have none
        for member in tar:
            path = PurePosixPath(member.name)
            inside = path.parts[len(_INSIDE.parts) :]
            if path.is_relative_to(_INSIDE) and inside and inside[0] not in _UNUSED:
                tar.extract(member, place)
    return checked(place / _INSIDE)


def checked(source: Path) -> Path:
    """Return ``source`` if it is llama.cpp's tree; raise ``BuildError``."""
    if not ((source / "CMakeLists.txt").is_file() and (source / "tools" / "server").is_dir()):
        raise BuildError(f"{source} does not hold the source of llama.cpp")
    return source.absolute()
