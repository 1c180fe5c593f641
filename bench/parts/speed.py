"""One stream: how fast a prompt is read and an answer generated, through the API and by the engine alone."""

import asyncio
import json
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

from bench.servers import layout
from bench.subjects import LLAMA_BENCH, Ask, Bench, Rounds, alternating, asks, engine_alone, own, peers
from bench.vocabulary import text

PART = "speed"
_ROUNDS = 5
_PROMPT, _ANSWER = 512, 64


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure every model."""
    for model in bench.models:
        async with AsyncExitStack() as stack:
            subjects = await _subjects(bench, model, stack)
            for ask in subjects.values():
                await ask(text(_PROMPT, "warm up"), 1)
            names = [*subjects, LLAMA_BENCH] if bench.alone else list(subjects)
            for number in bench.rounds(_ROUNDS):
                for name in alternating(names, number):
                    if name == LLAMA_BENCH and bench.alone:
                        await asyncio.to_thread(_llama_bench, bench.alone, bench.models[model], model, rounds)
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


def _llama_bench(programs: Path, path: Path, model: str, rounds: Rounds) -> None:
    command = [
        str(programs / LLAMA_BENCH),
        "-m",
        str(path),
        "-p",
        str(_PROMPT),
        "-n",
        str(_ANSWER),
        "-r",
        "1",
        *layout(programs),
        "-o",
        "json",
    ]
    output = subprocess.run(command, check=True, capture_output=True, timeout=300).stdout
    for test in json.loads(output):
        measured = "prompt" if test["n_prompt"] else "generation"
        rounds.add(measured, LLAMA_BENCH, "tokens/s", test["avg_ts"], model=model)
