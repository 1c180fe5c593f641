"""The client of a runner, against a real one."""

import tempfile
from pathlib import Path

from puna import builtin
from puna.engine.config import RunnerConfig
from puna.engine.runner import Runner
from puna.models.library import Library


async def test_a_large_body_is_sent_without_a_warning() -> None:
    model = Library(builtin.STORE).get(builtin.CRIA)
    config = RunnerConfig(model_path=str(model.path), context=256, parallel=1, threads=1)
    with tempfile.TemporaryDirectory(prefix="pt-") as directory:
        runner = await Runner.start("cria", config, Path(directory), load_timeout=60)
        try:
            tokens = await runner.client.tokenize("hi " * 500_000)
        finally:
            await runner.stop()
    assert len(tokens) > 400_000
