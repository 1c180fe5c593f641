"""GGUF files that lie: what ``/api/create`` takes must load, or be refused in words; see ``bench/mutants.py``."""

from pathlib import Path

import pytest
from tests.conftest import Serve
from tests.models.create.tiny import write_bert, write_checkpoint, write_gguf
from tests.mutants.run import LOADED, REFUSED, try_mutants

from puna.models.create.convert import convert

MUTANTS = 32
FAIR = ("does not know the architecture", "the model's vocabulary has no token for some of the text")
"""What may be said only when a model is used: another engine may know it, another text may have its tokens."""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    converted = tmp_path / "converted.gguf"
    checkpoint = write_checkpoint(tmp_path / "checkpoint")
    convert(checkpoint, converted, outtype="auto", progress=lambda _: None, cancelled=bool)
    return [*write_gguf(tmp_path / "spm.gguf"), converted, write_bert(tmp_path / "bert.gguf")]


def test_what_is_accepted_loads_or_is_refused_with_a_reason(serve: Serve, files: list[Path]) -> None:
    tally = try_mutants(serve(), files, range(MUTANTS))
    assert not tally.wrong
    assert not [line for line in tally.at_load if not any(reason in line for reason in FAIR)]
    assert tally.outcomes[REFUSED] > MUTANTS // 3
    assert tally.outcomes[LOADED] > MUTANTS // 16
