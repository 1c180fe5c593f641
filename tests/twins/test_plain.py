"""Small models of architectures that need no translation load, and what the tables say of a missing tensor is so."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.test_fitness import check_model
from tests.twins.plain import NOT_NEEDED, PLAIN, write_plain

from puna.engine.load_check import check_load
from puna.models.fitness.blocks import check_blocks
from puna.models.gguf import GGUFError, read_gguf
from puna.models.loadable import ModelFiles


@pytest.mark.parametrize("name", PLAIN)
def test_they_fit_and_lack_nothing(tmp_path: Path, name: str) -> None:
    path = write_plain(tmp_path / "m.gguf", name)
    check_model(read_gguf(path))
    header = read_gguf(path)
    for tensor in header.tensors:
        part = tensor.name.removeprefix("blk.1.")
        if part.startswith("blk.") or part in NOT_NEEDED or f"{part} of {PLAIN[name][0]}" in NOT_NEEDED:
            continue
        with pytest.raises(GGUFError, match=r"is missing"):
            check_blocks(replace(header, tensors=tuple(other for other in header.tensors if other is not tensor)))


@pytest.mark.twins
@pytest.mark.parametrize("name", PLAIN)
def test_they_load(tmp_path: Path, name: str) -> None:
    check_load(ModelFiles(write_plain(tmp_path / "m.gguf", name)))
