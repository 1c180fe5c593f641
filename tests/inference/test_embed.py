"""Which models give vectors of unit length at the older route, by what their files say."""

from pathlib import Path
from typing import Any

import pytest
from tests.inference.world import model_of

from puna.inference.embed import gives_unit_length


@pytest.mark.parametrize(
    ("arch", "metadata", "unit"),
    [
        ("llama", {}, True),
        ("llama", {"llama.pooling_type": 1}, True),
        ("bert", {}, True),
        ("bert", {"bert.pooling_type": 1}, True),
        ("bert", {"bert.pooling_type": 1, "bert.normalize_embeddings": False}, False),
        ("bert", {"bert.pooling_type": 1, "tokenizer.ggml.model": "t5"}, False),
        ("nomic-bert", {"nomic-bert.pooling_type": 1}, False),
        ("nomic-bert", {"nomic-bert.pooling_type": 1, "nomic-bert.normalize_embeddings": True}, True),
        ("gemma3", {"gemma3.pooling_type": 1}, True),
    ],
)
def test_unit_length_at_the_older_route(tmp_path: Path, arch: str, metadata: dict[str, Any], unit: bool) -> None:
    assert gives_unit_length(model_of(tmp_path, metadata, arch=arch)) is unit
