"""Which runner of a model a request takes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from puna.models.library import Library
from puna.scheduler.lanes import Lanes
from puna.scheduler.options import RunnerOptions
from puna.settings import Settings


def test_a_runner_beside_the_one_that_answers_is_asked_for_no_answers(tmp_path: Path) -> None:
    cria = Library(tmp_path).get("cria")
    policy: Any = SimpleNamespace(residents={f"{cria.digest} embeds"})
    loader: Any = None
    lanes = Lanes(Settings.from_env({}), policy, loader)
    embeds, answers = (lanes.of(cria, RunnerOptions(embeds=value)) for value in (True, False))
    assert (embeds.options.embeds, embeds.options.generates) == (True, False)
    assert (answers.options.embeds, answers.options.generates) == (False, True)
    assert embeds.key != answers.key
