"""Tokens as text, as a model's vocabulary has them."""

from collections.abc import Sequence

from puna.inference.options import Options
from puna.models.model import Model
from puna.scheduler.lease import Caller, Lease
from puna.scheduler.lender import Lender


async def detokenize(
    scheduler: Lender,
    model: Model,
    options: Options,
    tokens: Sequence[int],
    keep_alive: float | None = None,
    caller: Caller | None = None,
) -> str:
    """Return the text of tokens."""

    async def work(lease: Lease) -> str:
        return await lease.client.detokenize(list(tokens))

    return await scheduler.run(model, options.runner, work, keep_alive=keep_alive, caller=caller)
