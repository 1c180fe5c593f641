"""How long a step may take."""

import pytest

from puna.engine.config import RunnerConfig
from puna.scheduler.demand import Demand
from puna.scheduler.memory import Footprint, Plan
from puna.scheduler.patience import step_seconds
from puna.scheduler.policy import Resident

GB = 10**9


@pytest.mark.parametrize(
    ("weights", "cache_per_token", "on_cards", "seconds"),
    [
        (0, 0, 0, 3),
        (GB, 0, 0, 3 + 256 / 10 + 10),
        (GB, 500_000, 0, 3 + 256 * 1.25 / 10 + 10),
        (GB, 0, GB, 3 + 256 / 500 + 10),
        (GB, 0, GB // 2, 3 + 256 / 10 + 10),
    ],
)
def test_it_follows_from_what_there_is_to_compute(
    weights: int, cache_per_token: int, on_cards: int, seconds: float
) -> None:
    demand = Demand(Footprint(weights, cache_per_token, 8192))
    resident = Resident("m", demand, Plan(1000, 4, GB, on_cards=on_cards), GB, 0.0)
    config = RunnerConfig(model_path="m", context=1000, parallel=4, micro_batch=256, embedding=False)
    assert step_seconds(resident, config) == pytest.approx(seconds)
