"""Small models in an old layout, and what is found in the files that they are translated to."""

from pathlib import Path
from typing import Any

import numpy as np
from tests.models.layouts.files import Arrays, write, written

from puna.models.gguf import read_gguf
from puna.models.layouts.translation import language_model, projector

BASE = {".block_count": 1, ".embedding_length": 8, ".context_length": 512}
EYES = {".vision.block_count": 2, ".vision.embedding_length": 8, ".vision.patch_size": 4}


def text_of(
    tmp_path: Path, architecture: str, keys: dict[str, Any], tensors: Arrays, tokens: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metadata and the tensors of the language model that a file is translated to."""
    path = write(tmp_path / "old.gguf", architecture, BASE | keys, tensors, tokens=tokens)
    translation = language_model(read_gguf(path))
    assert translation is not None
    return written(translation, tmp_path / "new.gguf")


def projector_of(
    tmp_path: Path, architecture: str, keys: dict[str, Any], tensors: Arrays
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metadata and the tensors of the projector that is made of a file."""
    path = write(tmp_path / "old.gguf", architecture, BASE | EYES | keys, tensors, tokens=4)
    translation = projector(read_gguf(path))
    assert translation is not None
    found, new = written(translation, tmp_path / "new.gguf")
    assert found["general.architecture"] == "clip"
    assert found["general.type"] == "mmproj"
    assert not [key for key in found if key.startswith(("tokenizer.", f"{architecture}."))]
    return found, new


def same(found: Arrays, expected: Arrays) -> None:
    """Find the same tensors, in the same order."""
    assert list(found) == list(expected)
    for name, data in expected.items():
        np.testing.assert_array_equal(found[name], data, err_msg=name)
