"""Embeddings per second, many texts in one request."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from bench.client import Client, client
from bench.servers import llama_server
from bench.subjects import Bench, Rounds, alternating, own, peers
from bench.vocabulary import text

PART = "embeddings"
_ROUNDS = 3
_TEXTS, _TOKENS = 32, 32

Embed = Callable[[list[str]], Awaitable[Any]]


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure all models but the largest, which is too large to embed with."""
    for model in list(bench.models)[:-1]:
        async with AsyncExitStack() as stack:
            _, asker = await stack.enter_async_context(own(bench, model))
            others = await stack.enter_async_context(peers(bench, model))
            subjects = {name: _embeds(subject, model) for name, subject in {"puna": asker, **others}.items()}
            if bench.server:
                options = ("--embeddings", "--pooling", "mean")
                url = stack.enter_context(llama_server(bench.server, bench.models[model], *options))
                subjects["llama-server"] = _embeds_alone(await stack.enter_async_context(client(url)))
            for embed in subjects.values():
                await embed([text(_TOKENS, "warm up")])
            for number in bench.rounds(_ROUNDS):
                for name in alternating(list(subjects), number):
                    texts = [text(_TOKENS, (name, number, entry)) for entry in range(_TEXTS)]
                    began = time.perf_counter()
                    await subjects[name](texts)
                    rate = _TEXTS / (time.perf_counter() - began)
                    rounds.add("embeddings", name, "texts/s", rate, model=model)


def _embeds(asker: Client, model: str) -> Embed:
    return lambda texts: asker.post("/api/embed", {"model": model, "input": texts})


def _embeds_alone(asker: Client) -> Embed:
    return lambda texts: asker.post("/v1/embeddings", {"input": texts})
