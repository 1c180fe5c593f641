"""One stream: how fast a prompt is read and an answer generated, through the API and by the engine alone."""

import asyncio
import json
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

from bench.subjects import Ask, Bench, Rounds, alternating, asks, engine_alone, own, peers
from bench.vocabulary import text
from puna.engine.engines import repacks

PART = "speed"
_ROUNDS = 5
_PROMPT, _ANSWER = 512, 64
_BENCH = "llama-bench"


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure every model."""
    for model in bench.models:
        async with AsyncExitStack() as stack:
            subjects = await _subjects(bench, model, stack)
            for ask in subjects.values():
                await ask(text(_PROMPT, "warm up"), 1)
            names = [*subjects, _BENCH] if bench.native else list(subjects)
            for number in bench.rounds(_ROUNDS):
                for name in alternating(names, number):
                    if name == _BENCH and bench.native:
                        await asyncio.to_thread(_llama_bench, bench.native, bench.models[model], model, rounds)
                    else:
                        rounds.answer(name, model, await subjects[name](text(_PROMPT, (name, number)), _ANSWER))


async def _subjects(bench: Bench, model: str, stack: AsyncExitStack) -> dict[str, Ask]:
    _, asker = await stack.enter_async_context(own(bench, model))
    subjects = {"puna": asks(asker, model)}
    if bench.native:
        portable = Bench(bench.models, bench.home)
        _, asker = await stack.enter_async_context(own(portable, model))
        subjects["puna portable"] = asks(asker, model)
    subjects |= await stack.enter_async_context(engine_alone(bench, model))
    for peer, asker in (await stack.enter_async_context(peers(bench, model))).items():
        subjects[peer] = asks(asker, model)
    return subjects


def _llama_bench(native: Path, path: Path, model: str, rounds: Rounds) -> None:
    command = [
        str(native / "llama-bench"),
        "-m",
        str(path),
        "-p",
        str(_PROMPT),
        "-n",
        str(_ANSWER),
        "-r",
        "1",
        "--repack",
        str(int(repacks(str(native / "llama-server")))),
        "-o",
        "json",
    ]
    output = subprocess.run(command, check=True, capture_output=True, timeout=300).stdout
    for test in json.loads(output):
        measured = "prompt" if test["n_prompt"] else "generation"
        rounds.add(measured, _BENCH, "tokens/s", test["avg_ts"], model=model)
