"""Attention: prompts, turns and answers behind what the cache holds already, with flash attention and without."""

import asyncio
import json
import subprocess
from pathlib import Path

from bench.servers import WITHOUT, as_puna, layout
from bench.subjects import LLAMA_BENCH, Bench, Rounds, alternating
from puna.engine.engines import SERVER

PART = "attention"
ON, OFF = "llama.cpp, with flash attention", "llama.cpp, without"
DEPTHS = (0, 2000, 8000)
PROMPT, TURN, _ANSWER = 512, 34, 16
_MODEL = "0.5b"
_ROUNDS = 2
_SECONDS = 1800


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure the model whose prompts are read in reasonable time."""
    if not (bench.native and bench.alone and _MODEL in bench.models):
        return
    subjects = {
        "puna": (bench.native, as_puna(bench.native / SERVER)),
        ON: (bench.alone, ("--flash-attn", "on")),
        OFF: (bench.alone, WITHOUT),
    }
    for number in bench.rounds(_ROUNDS):
        for name in alternating(list(subjects), number):
            programs, options = subjects[name]
            for cell, rate in await asyncio.to_thread(_cells, programs, bench.models[_MODEL], options):
                rounds.add(cell, name, "tokens/s", rate, model=_MODEL)


def label(tokens: int, depth: int) -> str:
    """Return the name of a cell: so many tokens that are read (0: that are generated) behind so many."""
    step = f"{tokens} tokens read" if tokens else "tokens generated"
    return f"{step} behind {depth:,}" if depth else f"{step} at the beginning"


def _cells(programs: Path, model: Path, options: tuple[str, ...]) -> list[tuple[str, float]]:
    command = [str(programs / LLAMA_BENCH), "-m", str(model), "-r", "1", "-o", "json", *options]
    command += ["-p", f"{PROMPT},{TURN}", "-n", str(_ANSWER), "-d", ",".join(map(str, DEPTHS)), *layout(programs)]
    output = subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS).stdout
    return [(label(test["n_prompt"], test["n_depth"]), test["avg_ts"]) for test in json.loads(output)]
