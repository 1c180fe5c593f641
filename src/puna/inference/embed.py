"""Texts to vectors."""

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from puna.engine.client import EngineClient
from puna.engine.errors import ContextExceededError
from puna.errors import BadRequestError, PunaError
from puna.inference.options import Options
from puna.models.model import Model
from puna.scheduler.lease import Caller, Lease
from puna.scheduler.lender import Lender

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SPECIAL_TOKENS = 2
"""A beginning and an end that the tokenizer may add to a text."""


class BadDimensionsError(BadRequestError):
    """``dimensions`` is not a number of dimensions."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """One row per text, float32. ``load_duration`` is in nanoseconds."""

    vectors: "npt.NDArray[np.float32]"
    prompt_tokens: int
    load_duration: int


async def embed(
    scheduler: Lender,
    model: Model,
    texts: list[str],
    options: Options,
    *,
    truncate: bool | None = None,
    dimensions: int = 0,
    normalize: bool = True,
    keep_alive: float | None = None,
    caller: Caller | None = None,
) -> Embedded:
    """Return the vectors of ``texts``, all sent to the engine at once so that it evaluates them in batches.

    A text longer than the context is cut, or an error (``ContextExceededError``) when ``truncate`` (by default the
    option of this name) is false. With
    ``dimensions`` only the first so many are kept. With ``normalize`` every row has unit length.
    """
    import numpy as np  # a fifth of an idle server's memory, for those who embed only

    if dimensions < 0:
        raise BadDimensionsError("dimensions must not be negative")

    async def work(lease: Lease) -> tuple[Any, int]:
        if not texts:
            return None, lease.load_duration
        limit = min(lease.context, lease.runner.config.batch)
        cut = options.truncate if truncate is None else truncate
        inputs = [await _fitted(lease.client, text, limit, truncate=cut) for text in texts]
        body = {"input": inputs, "encoding_format": "base64", "embd_normalize": 2 if normalize else -1}
        return await lease.client.post("/v1/embeddings", body), lease.load_duration

    runner = replace(options.runner, embeds=True)
    answer, load_duration = await scheduler.run(model, runner, work, keep_alive=keep_alive, caller=caller)
    if answer is None:
        return Embedded(np.empty((0, 0), np.float32), 0, load_duration)
    vectors = _decode(answer["data"])
    if dimensions and dimensions < vectors.shape[1]:
        vectors = vectors[:, :dimensions]
        if normalize:
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return Embedded(vectors, answer.get("usage", {}).get("prompt_tokens", 0), load_duration)


async def _fitted(client: EngineClient, text: str, limit: int, *, truncate: bool) -> str | list[int]:
    if len(text.encode()) + _SPECIAL_TOKENS <= limit:  # no token is shorter than a byte
        return text
    tokens = await client.tokenize(text)
    if len(tokens) <= limit:
        return tokens
    if not truncate:
        raise ContextExceededError(len(tokens), limit)
    return [*tokens[: limit - 1], tokens[-1]]  # the last may be the end that the model was trained with


def _decode(data: list[dict[str, Any]]) -> "npt.NDArray[np.float32]":
    import numpy as np

    rows = [
        np.frombuffer(base64.b64decode(item["embedding"]), np.float32)
        for item in sorted(data, key=lambda item: int(item["index"]))
    ]
    vectors = np.stack(rows)
    if not np.isfinite(vectors).all():
        raise PunaError("the embedding contains NaN or Inf values")
    return vectors
