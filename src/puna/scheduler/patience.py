"""How long a runner may take for one step, by what there is to compute. Plain arithmetic."""

from puna.engine.config import RunnerConfig
from puna.scheduler.policy import Resident

_LEAST = 3.0
_PROCESSOR, _CARD = 10e9, 500e9
"""Bytes of weights and cache, times tokens, that a slow processor or card works through in a second. A small computer
of a few watts has half of that, a desktop's processor twenty times as much."""
_DISK = 100e6
"""Bytes per second of a slow disk, from which mapped weights may have to come once more."""


def step_seconds(resident: Resident, config: RunnerConfig) -> float:
    """Return the seconds within which even a slow machine evaluates a step, and looks at what has come meanwhile.

    The engine hears of a client that has gone, and answers questions about its slots, between two steps only.
    """
    size = resident.demand.footprint
    cache = size.cache(config.context, 1) / 2  # on average it is half full
    rate = _CARD if resident.plan.on_cards == resident.plan.size else _PROCESSOR
    return _LEAST + config.step * (size.weights + cache) / rate + size.weights / _DISK
