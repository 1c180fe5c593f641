"""Directories of links, which give blobs the names by which an engine looks for files.

They lie in the models directory, one for each model, made when it is first loaded.
"""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from puna.models.storage import storage_errors

SPLIT, CHECKPOINTS = "split", "checkpoints"


def make_links(directory: Path, targets: Mapping[str, Path]) -> None:
    """Make links in ``directory`` to files, by name; a name may have directories in it. Raises ``StorageError``."""
    for name, path in targets.items():
        link, target = directory / name, path.absolute()
        with storage_errors(link):
            if not link.is_symlink() or link.readlink() != target:
                link.parent.mkdir(parents=True, exist_ok=True)
                # In one step, so that a model that is loading never finds a file missing.
                new = link.with_name(f"{link.name}.{secrets.token_hex(8)}")
                new.symlink_to(target)
                new.replace(link)


def remove_stale_links(root: Path) -> None:
    """Remove the links under ``root`` to models that are gone."""
    for directory in (root / SPLIT, root / CHECKPOINTS):
        for links in directory.iterdir() if directory.is_dir() else ():
            if links.is_dir() and not all(link.exists() for link in links.rglob("*")):
                shutil.rmtree(links, ignore_errors=True)
