"""What a native engine would bring on this processor, by what was measured on processors like it."""

from collections.abc import Sequence
from dataclasses import dataclass

from puna.engine import processor
from puna.engine.engines import PORTABLE, Engines


@dataclass(frozen=True, slots=True)
class Gain:
    """How many times as fast a build read prompts as the portable engine, on processors with ``measured_with``."""

    factor: float = 0.0
    measured_with: str = ""

    def __bool__(self) -> bool:
        return self.factor > 1


_MEASURED = {"AMX_INT8": Gain(2.1, "AMX"), "AVX512_VNNI": Gain(2.1, "AVX-512 VNNI")}
"""By the instruction set that the portable engine leaves unused, the one that brings most first.

AVX-512 by ``docs/benchmarks.md`` (1 B, Q4_K_M); AMX as ``puna engine build`` measured it (80 M, Q4_K_M).
"""


def gain(used: Sequence[str]) -> Gain:
    """Return what was measured for the first instruction set of this processor that an engine leaves unused.

    ``used`` are the instruction sets of the engine that runs. Nothing is claimed of what has not been measured.
    """
    unused = set(processor.instructions()) - set(used)
    return next((found for name, found in _MEASURED.items() if name in unused), Gain())


def may_gain(engines: Engines) -> bool:
    """Return whether a native engine may be worth a word: none is built, and nobody has chosen another."""
    if engines.override or engines.chosen() != PORTABLE or engines.builds():
        return False
    return bool(gain(()))


def advice(likely: Gain) -> str:
    """Return what to say to the owner of the machine, in a line of a terminal."""
    return f"puna engine build: prompts read {likely.factor:.1f} times as fast (measured with {likely.measured_with})"
