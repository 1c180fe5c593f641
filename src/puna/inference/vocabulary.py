"""Texts to tokens and back, as a model's vocabulary has them."""

import asyncio
from collections.abc import Sequence

from puna.errors import BadRequestError
from puna.inference.options import Options
from puna.models.model import Model
from puna.scheduler.lease import Caller, Lease
from puna.scheduler.lender import Lender


async def tokenize(
    scheduler: Lender,
    model: Model,
    options: Options,
    text: str,
    keep_alive: float | None = None,
    caller: Caller | None = None,
    *,
    special: bool = True,
) -> list[int]:
    """Return the tokens of a text; ``special`` adds the beginning that the model's prompts have."""

    async def work(lease: Lease) -> list[int]:
        return await lease.client.tokenize(text, special=special)

    return await scheduler.run(model, options.runner, work, keep_alive=keep_alive, caller=caller)


async def pieces(
    scheduler: Lender,
    model: Model,
    options: Options,
    tokens: Sequence[int],
    keep_alive: float | None = None,
    caller: Caller | None = None,
) -> list[str]:
    """Return the text of each of some tokens of the model."""

    async def work(lease: Lease) -> list[str]:
        return [await lease.client.detokenize([token]) for token in tokens]

    return await scheduler.run(model, options.runner, work, keep_alive=keep_alive, caller=caller)


async def detokenize(
    scheduler: Lender,
    model: Model,
    options: Options,
    tokens: Sequence[int],
    keep_alive: float | None = None,
    caller: Caller | None = None,
) -> str:
    """Return the text of tokens; raise ``BadRequestError`` for what is not in the vocabulary."""
    if not model.is_read:
        await asyncio.to_thread(lambda: model.gguf)
    vocabulary = max(part.vocabulary_size for part in model.ggufs)  # the first may have no tensors
    if wrong := [token for token in tokens if not 0 <= token < vocabulary]:
        raise BadRequestError(f"{wrong[0]} is no token of the model, which has {vocabulary}")

    async def work(lease: Lease) -> str:
        return await lease.client.detokenize(list(tokens))

    return await scheduler.run(model, options.runner, work, keep_alive=keep_alive, caller=caller)
