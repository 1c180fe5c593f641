"""Texts to vectors."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from puna.engine.errors import ContextExceededError
from puna.engine.protocol import Engine
from puna.errors import BadRequestError, PunaError
from puna.inference.capabilities import UnsupportedError
from puna.inference.options import Options
from puna.lazy import loaded
from puna.models.model import Model
from puna.scheduler.launch import is_reranker
from puna.scheduler.lease import Caller, Lease
from puna.scheduler.lender import Lender

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SPECIAL_TOKENS = 2
"""A beginning and an end that the tokenizer may add to a text."""
_MANY, _AT_ONCE = 64, 4096
"""Vectors that are read beside the event loop, and texts that are looked at before others have their turn."""


class BadDimensionsError(BadRequestError):
    """``dimensions`` is not a number of dimensions."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """One row per text, float32. ``load_duration`` is in nanoseconds; ``dropped_tokens`` were cut of all texts.

    ``loading`` is the part of ``load_duration`` that a load took.
    """

    vectors: "npt.NDArray[np.float32]"
    prompt_tokens: int
    load_duration: int
    dropped_tokens: int = 0
    context: int = 0
    loading: int = 0


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The texts as the engine is given them; ``longest`` are the tokens of the longest, ``dropped`` those cut."""

    texts: list[str | list[int]]
    longest: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """Texts, or tokens, to make vectors of, all sent to the engine at once so that it evaluates them in batches.

    A text longer than the context is cut, or an error (``ContextExceededError``) when ``truncate`` (by default the
    option of this name) is false. With ``dimensions`` only the first so many are kept. With ``normalize`` every row has
    unit length; ``None`` leaves that to the model (see ``gives_unit_length``).
    """

    model: Model
    texts: tuple[str | tuple[int, ...], ...]
    options: Options
    truncate: bool | None = None
    dimensions: int = 0
    normalize: bool | None = True


async def embed(
    scheduler: Lender, request: EmbedRequest, *, keep_alive: float | None = None, caller: Caller | None = None
) -> Embedded:
    """Return the vectors of texts, in their order. Without texts nothing is loaded."""
    await loaded("numpy")  # a fifth of an idle server's memory, for those who embed only
    import numpy as np

    model, texts, options, dimensions = request.model, request.texts, request.options, request.dimensions
    if dimensions < 0:
        raise BadDimensionsError("dimensions must not be negative")

    if not texts:
        return Embedded(np.empty((0, 0), np.float32), 0, 0)
    if not model.is_read:
        await asyncio.to_thread(lambda: model.gguf)
    if is_reranker(model.gguf) or model.is_checkpoint:  # vLLM is started to generate
        raise UnsupportedError(str(model.name), "embedding")
    normalize = gives_unit_length(model) if request.normalize is None else request.normalize
    cut = options.truncate if request.truncate is None else request.truncate
    runner = replace(options.runner, embeds=True)

    async def work(lease: Lease) -> tuple[Any, _Inputs, Lease]:
        step = lease.runner.config.batch
        inputs = await _inputs(lease.client, model, texts, lease.context, step, truncate=cut)
        if inputs.longest > step:
            if runner.num_batch < _batch_for(inputs.longest):
                return None, inputs, lease
            inputs = await _inputs(lease.client, model, texts, step, step, truncate=cut)
        body = {"input": inputs.texts, "embd_normalize": 2 if normalize else -1}
        return await lease.client.embed(body), inputs, lease

    answer, inputs, lease = await scheduler.run(model, runner, work, keep_alive=keep_alive, caller=caller)
    if answer is None:  # a text is evaluated in one step, and needs a runner whose steps hold it
        runner = replace(runner, num_batch=_batch_for(inputs.longest))
        answer, inputs, lease = await scheduler.run(model, runner, work, keep_alive=keep_alive, caller=caller)
    data = answer["data"]
    vectors = _decode(data) if len(data) < _MANY else await asyncio.to_thread(_decode, data)
    if dimensions and dimensions < vectors.shape[1]:
        vectors = vectors[:, :dimensions]
        if normalize:
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    tokens = answer.get("usage", {}).get("prompt_tokens", 0)
    return Embedded(vectors, tokens, lease.load_duration, inputs.dropped, lease.context, lease.loading)


def gives_unit_length(model: Model) -> bool:
    """Return whether Ollama's ``/api/embeddings`` gives this model's vectors unit length.

    After ``legacyEmbeddingsWereRaw`` in its ``llm/llama_server.go``: all but nomic-bert and some bert.
    """
    gguf = model.gguf
    arch = gguf.architecture
    if f"{arch}.pooling_type" not in gguf.metadata:
        return True
    if arch == "bert":
        return (gguf.text("tokenizer.ggml.model") or "bert") == "bert" and _says(model, "normalize_embeddings", True)
    return arch not in ("nomic-bert", "nomic-bert-moe") or _says(model, "normalize_embeddings", False)


def _says(model: Model, key: str, default: bool) -> bool:
    return bool(model.gguf.metadata.get(f"{model.gguf.architecture}.{key}", default))


def _batch_for(tokens: int) -> int:
    """Return a batch that holds so many tokens: one of a few sizes, so that there are few loads."""
    return 1 << (tokens - 1).bit_length()


async def _inputs(
    client: Engine, model: Model, texts: Sequence[str | tuple[int, ...]], limit: int, step: int, *, truncate: bool
) -> _Inputs:
    """Return ``texts`` cut to ``limit`` tokens; those that a ``step`` of the engine holds for sure are not counted."""
    inputs: list[str | list[int]] = []
    longest = dropped = 0
    for number, text in enumerate(texts):
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
        if (
            isinstance(text, str) and text and len(text.encode()) + _SPECIAL_TOKENS <= min(limit, step)
        ):  # no token is shorter than a byte
            inputs.append(text)
            continue
        tokens, cut = await _fitted(client, model, text, limit, truncate=truncate)
        inputs.append(tokens)
        longest, dropped = max(longest, len(tokens)), dropped + cut
    return _Inputs(inputs, longest, dropped)


async def _fitted(
    client: Engine, model: Model, text: str | tuple[int, ...], limit: int, *, truncate: bool
) -> tuple[list[int], int]:
    """Return at most ``limit`` tokens of a text, and how many were cut."""
    tokens = (await client.tokenize(text) if isinstance(text, str) else list(text)) or _nothing(model)
    if len(tokens) <= limit:
        return tokens, 0
    if not truncate:
        raise ContextExceededError(len(tokens), limit)
    # The last may be the end that the model was trained with.
    return [*tokens[: limit - 1], tokens[-1]], len(tokens) - limit


def _nothing(model: Model) -> list[int]:
    """Return the token that stands for an empty text, which the engine would refuse: an end, or a beginning."""
    keys = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.bos_token_id")
    return [next((token for key in keys if (token := model.gguf.whole(key)) is not None), 0)]


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
