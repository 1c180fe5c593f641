"""What the files of a checkpoint may be called: names that stay in their directory."""

import re

from puna.models.manifests import BadManifestError

_WEIGHTS = ".safetensors"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,200}(/[A-Za-z0-9_][A-Za-z0-9_.+-]{0,200}){0,4}")


def is_weights(name: str) -> bool:
    """Return whether a file of a checkpoint has weights."""
    return name.endswith(_WEIGHTS)


def check_name(name: str) -> str:
    """Return ``name`` if a file of a checkpoint may have it; raise ``BadManifestError``."""
    if not _NAME.fullmatch(name):
        raise BadManifestError(f"invalid manifest: {name[:100]!r} is no name for a file of a checkpoint")
    return name
