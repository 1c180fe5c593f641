"""What is told of the engines of this machine, to programs: by ``puna engine --json`` and ``/api/puna/engine``."""

import json
from functools import lru_cache
from typing import Any

from puna.engine import processor
from puna.engine.engines import PORTABLE, Engines
from puna.engine.gain import Gain, gain, may_gain
from puna.engine.info import EngineInfo, EngineInfoProcess
from puna.engine.native import identity


def account(engines: Engines) -> dict[str, Any]:
    """Return which engine runs and what it uses of the machine, what it leaves unused, builds and models of their own.

    ``factor`` says how many times as fast a build read prompts on processors with ``measured_with``, which this one has
    too; 0 where nothing is known. The first look at an engine takes a process and half a second.
    """
    program = engines.program()
    info = look(engines.chosen() if program else PORTABLE, program)
    likely = gain(info.instructions) if may_gain(engines) else Gain()
    return {
        "engine": info.name,
        "version": info.version,
        "instructions": info.instructions,
        "cards": info.cards,
        "unused_instructions": [entry for entry in processor.instructions() if entry not in info.instructions],
        "factor": likely.factor,
        "measured_with": likely.measured_with,
        "builds": {build.name: json.loads(build.about.to_json()) for build in engines.builds()},
        "models": dict(engines.choice().models),
    }


def look(name: str, program: str) -> EngineInfo:
    """Return what an engine is, without a new look as long as its file is the same."""
    return _look(name, program, identity(program) if program else "")


@lru_cache(maxsize=8)
def _look(name: str, program: str, _identity: str) -> EngineInfo:
    return EngineInfoProcess(name, program).result()
