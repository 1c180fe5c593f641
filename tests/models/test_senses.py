"""What a model perceives beside text, as the header of its projector says, or its own where that lies in there."""

from pathlib import Path
from typing import Any

import pytest
from tests.models.layouts.files import arrays, write

from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.models.model import Model
from puna.names import parse_name

SEES, HEARS = {"clip.has_vision_encoder": True}, {"clip.has_audio_encoder": True}
EYES, EARS = arrays(v__blk__0__ln1__weight=(8,)), arrays(a__blk__0__ln1__weight=(8,))


def model_of(folder: Path, *paths: Path) -> Model:
    library = Library(folder / "models")
    files = {path.name: library.blobs.add(path.read_bytes()) for path in paths}
    create(library, parse_name("tiny"), Recipe(files=files), lambda _: None, lambda: False)
    return library.get("tiny")


def text(folder: Path) -> Path:
    return write(folder / "model.gguf", "llama", {}, arrays(token_embd__weight=(4, 8)), tokens=4)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (SEES, ("vision",)),
        (HEARS, ("audio",)),
        (SEES | HEARS, ("vision", "audio")),
        (SEES | {"clip.has_audio_encoder": False}, ("vision",)),
        (SEES | HEARS | {"clip.vision.projector_type": "gemma3nv"}, ("vision",)),
        (SEES | {"clip.projector_type": "mlp"}, ("vision",)),
    ],
)
def test_a_projector_of_its_own(tmp_path: Path, keys: dict[str, Any], expected: tuple[str, ...]) -> None:
    projector = write(tmp_path / "mmproj.gguf", "clip", {"general.type": "mmproj", **keys}, EYES)
    assert model_of(tmp_path, text(tmp_path), projector).senses == expected


def test_without_a_projector(tmp_path: Path) -> None:
    assert model_of(tmp_path, text(tmp_path)).senses == ()


@pytest.mark.parametrize(
    ("architecture", "tensors", "expected"),
    [
        ("gemma4", EYES, ("vision",)),
        ("gemma4", EARS, ("audio",)),
        ("gemma4", EYES | EARS, ("vision", "audio")),
        ("nemotron_h_omni", EYES | EARS, ("vision",)),
        ("gemma4", {}, ()),
    ],
)
def test_within_the_model(tmp_path: Path, architecture: str, tensors: Any, expected: tuple[str, ...]) -> None:
    tensors = arrays(token_embd__weight=(4, 8)) | tensors
    path = write(tmp_path / "model.gguf", architecture, {".block_count": 1}, tensors, tokens=4)
    assert model_of(tmp_path, path).senses == expected
