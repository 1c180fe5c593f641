"""What can be measured at all."""

from pathlib import Path

import pytest
from tests.inference.world import model_of

from puna.errors import BadRequestError
from puna.settings import Settings
from puna.tuning.tune import Tuning, tune


async def test_a_model_that_only_embeds_is_refused(tmp_path: Path) -> None:
    model = model_of(tmp_path, {"bert.pooling_type": 1}, arch="bert")
    with pytest.raises(BadRequestError, match="made to embed text"):
        await tune(Tuning(model), Settings.from_env({}), lambda finding: None)
