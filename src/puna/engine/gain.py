"""What a native engine would bring on this processor, by what was measured on processors like it."""

from collections.abc import Sequence

from puna.engine import processor
from puna.engine.engines import PORTABLE, Engines

_MEASURED = (("AMX_INT8", 2.1), ("AVX512_VNNI", 2.1))
"""How many times as fast a build read prompts as the portable engine on a processor with an instruction set.

AVX-512 by ``docs/benchmarks.md`` (1 B, Q4_K_M); AMX as ``puna engine build`` measured it (80 M, Q4_K_M).
"""


def gain(used: Sequence[str]) -> float:
    """Return the factor for the first instruction set of this processor that an engine leaves unused, 0 for none.

    ``used`` are the instruction sets of the engine that runs. Nothing is claimed of what has not been measured.
    """
    unused = set(processor.instructions()) - set(used)
    return next((factor for name, factor in _MEASURED if name in unused), 0.0)


def may_gain(engines: Engines) -> bool:
    """Return whether a native engine may be worth a word: none is built, and nobody has chosen another."""
    if engines.override or engines.chosen() != PORTABLE or engines.builds():
        return False
    return bool(gain(()))


def advice(factor: float) -> str:
    """Return what to say to the owner of the machine, in a line of a terminal."""
    return f"An engine built here reads prompts about {factor:.1f} times as fast: puna engine build"
