"""How likely each token of a text was to a model, after those before it.

The engine tells log probabilities of what it generates only. So it generates each token of the text in its turn, which
is set above all others; what it tells is the model's own probability of it all the same. What was read stays read, so
that each takes one step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from puna.engine.protocol import Engine
from puna.inference.engine_events import logprobs_of
from puna.inference.events import Logprob
from puna.inference.options import Options
from puna.models.model import Model
from puna.scheduler.lease import Caller, Lease
from puna.scheduler.lender import Lender

_ABOVE_ALL = 1e6


@dataclass(frozen=True, slots=True)
class Scored:
    """A token of a text, as text and bytes, and what was known of it: ``None`` of the first, which follows nothing.

    It is also ``None`` of one that ends within a letter, of which the engine tells nothing.
    """

    text: str
    bytes: bytes
    known: Logprob | None = None


async def score(
    scheduler: Lender,
    model: Model,
    options: Options,
    prompt: str | Sequence[int],
    top: int,
    keep_alive: float | None = None,
    caller: Caller | None = None,
) -> list[Scored]:
    """Return a prompt's tokens with ``top`` alternatives to each; [] for one that does not fit into the context."""

    async def work(lease: Lease) -> list[Scored]:
        tokens, hidden = await _tokens(lease.client, prompt)
        if len(tokens) > lease.context:
            return []
        return [await _scored(lease.client, tokens, at, top) for at in range(hidden, len(tokens))]

    runner = replace(options.runner, logprobs=True)
    return await scheduler.run(model, runner, work, keep_alive=keep_alive, caller=caller)


async def _tokens(client: Engine, prompt: str | Sequence[int]) -> tuple[list[int], int]:
    """Return a prompt's tokens, and how many of them the model puts before the text."""
    if not isinstance(prompt, str):
        return list(prompt), 0
    tokens = await client.tokenize(prompt, special=True)
    plain = await client.tokenize(prompt, special=False)
    before = len(tokens) - len(plain)
    return tokens, before if before > 0 and tokens[before:] == plain else 0


async def _scored(client: Engine, tokens: Sequence[int], at: int, top: int) -> Scored:
    if at:
        body: dict[str, Any] = {
            "prompt": tokens[:at],
            "stream": False,
            "n_predict": 1,
            "n_probs": max(top, 1),
            "post_sampling_probs": False,
            "temperature": 0.0,
            "samplers": ["temperature"],
            "logit_bias": [[tokens[at], _ABOVE_ALL]],
            "cache_prompt": True,
        }
        known = logprobs_of((await client.complete(body)).get("completion_probabilities"))
        if known:
            chosen = known[0].chosen
            return Scored(chosen.token, bytes(chosen.bytes), known[0])
    text = await client.detokenize([tokens[at]])
    return Scored(text, text.encode())
