"""Loading a model, and changing from one to another where only one may be in memory."""

import time
from pathlib import Path

from bench.client import Client, client
from bench.servers import llama_server
from bench.subjects import Bench, Rounds, own, peers
from bench.vocabulary import text

PART = "loading"
_ROUNDS = 3
_PROMPT = 16


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure loads of every model, and changes between the two largest. Their files are in the page cache."""
    async with own(bench, *bench.models) as (_, asker), peers(bench, *bench.models) as others:
        for number in bench.rounds(_ROUNDS):
            for model, path in bench.models.items():
                for name, subject in {"puna": asker, **others}.items():
                    await subject.unload(model)
                    rounds.add("load", name, "s", await _first(subject, model, f"{name} {number}"), model=model)
                    await subject.unload(model)
                if bench.server:
                    rounds.add("load", "llama-server", "s", await _alone(bench.server, path), model=model)
    pair = list(bench.models)[-2:]
    async with own(bench, *pair, OLLAMA_MAX_LOADED_MODELS="1") as (_, asker):
        await _first(asker, pair[-1], "first")
        for number in bench.rounds(_ROUNDS):
            for model in pair:
                seconds = await _first(asker, model, f"change {number}")
                rounds.add("change from the other model", "puna", "s", seconds, model=model)


async def _first(asker: Client, model: str, seed: str) -> float:
    return (await asker.generate(model, text(_PROMPT, seed), 1)).first


async def _alone(binary: Path, path: Path) -> float:
    began = time.perf_counter()
    with llama_server(binary, path) as url:
        async with client(url) as asker:
            await asker.complete(text(_PROMPT, "alone"), 1)
            return time.perf_counter() - began
