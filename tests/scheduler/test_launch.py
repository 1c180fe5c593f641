"""How a model is loaded follows from its file."""

import pytest

from puna.scheduler.launch import _batch_limit


@pytest.mark.parametrize(("vocabulary", "batch"), [(0, 2048), (5_000, 2048), (32_000, 1048), (256_000, 512)])
def test_batch_shrinks_as_the_vocabulary_grows(vocabulary: int, batch: int) -> None:
    assert _batch_limit(vocabulary) == batch
