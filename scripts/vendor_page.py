"""Fetches the page's libraries from the npm registry, at pinned versions and hashes: ``python scripts/vendor_page.py``.

``npm pack`` brings each package; its bytes must have the SHA-512 that stands here. The files come out as they are but
for their imports, which a browser resolves only as paths, and an ``export`` for what was made for a script element.
"""

import base64
import hashlib
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "src/puna/api/web/static/vendor"
_TESTS = _ROOT / "tests/page/vendor"
_PATHS = {
    "preact": "./preact.js",
    "preact/hooks": "./preact-hooks.js",
    "@preact/signals-core": "./signals-core.js",
}
"""What the libraries import, and where it lies here."""
_IMPORT = re.compile(rf'\bfrom\s*"({"|".join(map(re.escape, _PATHS))})"')
_SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S+\s*$")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the registry: the SHA-512 of its archive, its files and their names here.

    ``exported`` is the variable that a file of the old kind leaves behind, which becomes its default export.
    """

    name: str
    version: str
    sha512: str
    files: Mapping[str, str]
    exported: str = ""
    target: Path = _PAGE


PACKAGES = (
    Package(
        "preact",
        "11.2.0",
        "/HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg==",
        {"dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "preact-hooks.js"},
    ),
    Package(
        "htm",
        "3.1.1",
        "983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ==",
        {"dist/htm.module.js": "htm.js"},
    ),
    Package(
        "@preact/signals-core",
        "1.14.5",
        "vcRv7Ityz5JVmeiVqIluLFzT/PDS/AlhHUpw3/aUWqcVUs6bDGIPXE/6RSC4evBNWYvnniozg5Syfj33al3gkg==",
        {"dist/signals-core.mjs": "signals-core.js"},
    ),
    Package(
        "@preact/signals",
        "2.11.4",
        "Rb+5RPo9gWSaHtzJeauhHxiC8KP/IF2DEPkHPEOGOnuy2wnJzRqyeLRankUCYd6ADqtxS6GnWGv6Ie343d8aYw==",
        {"dist/signals.mjs": "signals.js"},
    ),
    Package(
        "marked",
        "18.2.1",
        "ii4bxCTCqqwpT86XZWgJNs+ZnAIZksmLGYMViWA7PDIXYIeNo1x6cDdX3JOip9NM/cI6p8z57FxliACboTruMA==",
        {"lib/marked.esm.js": "marked.js"},
    ),
    Package(
        "@highlightjs/cdn-assets",
        "11.12.0",
        "KvOKXODaiFmId9xaq3xc5xCL66wVLUuOngDbO9B/kewbFTqdGbn2nJxNhN3H5R1cgDTVj6R8vH0zgiNDEGjpDw==",
        {"es/highlight.min.js": "highlight.js"},
    ),
    Package(
        "uplot",
        "1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        {"dist/uPlot.iife.min.js": "uplot.js", "dist/uPlot.min.css": "uplot.css"},
        exported="uPlot",
    ),
    Package(
        "temml",
        "0.13.5",
        "aPkDDgunanpLNL0ql32HbolqLep+w8DRcVXRql7rWrMt/PhczdLgL4UBYYVU3BYjCNjkGq4EqwIicu/zWr1iOg==",
        {"dist/temml.min.js": "temml.js", "dist/Temml-Local.css": "temml.css", "dist/Temml.woff2": "Temml.woff2"},
        exported="temml",
    ),
    Package(
        "axe-core",
        "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        {"axe.min.js": "axe.js"},
        target=_TESTS,
    ),
)


class WrongHashError(Exception):
    """The registry's archive is not the one that was looked at."""


def main() -> None:
    """Fetch all packages and write their files and licences."""
    for package in PACKAGES:
        package.target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as directory, tarfile.open(_archive(package, Path(directory))) as archive:
            _extract(package, archive)


def _archive(package: Package, directory: Path) -> Path:
    subject = f"{package.name}@{package.version}"
    subprocess.run(["npm", "pack", "--silent", subject], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    (path,) = directory.glob("*.tgz")
    found = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if found != package.sha512:
        raise WrongHashError(f"{subject} has the SHA-512 {found}")
    return path


def _extract(package: Package, archive: tarfile.TarFile) -> None:
    for source, name in package.files.items():
        data = _read(archive, f"package/{source}")
        (package.target / name).write_bytes(_adapted(package, data) if name.endswith(".js") else data)
    licence = f"LICENSE-{package.name.strip('@').replace('/', '-')}"
    (package.target / licence).write_bytes(_read(archive, "package/LICENSE"))


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise FileNotFoundError(name)
    return member.read()


def _adapted(package: Package, data: bytes) -> bytes:
    text = _SOURCE_MAP.sub("", data.decode())
    text = _IMPORT.sub(lambda found: f'from"{_PATHS[found[1]]}"', text)
    export = f"\nexport default {package.exported};" if package.exported else ""
    return f"{text.rstrip()}{export}\n".encode()


if __name__ == "__main__":
    main()
