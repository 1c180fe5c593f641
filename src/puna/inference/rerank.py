"""Documents by how well they answer a query: by a model made for it, else by how sure a chat model is of a yes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from puna.engine.errors import ContextExceededError
from puna.inference.capabilities import UnsupportedError
from puna.inference.decide import Decided, DecideRequest, Question, decide
from puna.inference.options import Options
from puna.inference.requests import Message
from puna.inference.vocabulary import detokenize, tokenize
from puna.models.model import Model
from puna.scheduler.launch import is_embedding_model, is_reranker
from puna.scheduler.lease import Caller, Lease
from puna.scheduler.lender import Lender

_MARGIN = 8
"""Tokens that a document is shorter than what fits: cut somewhere else, its end may be more of them."""
_RELEVANT = Question(("Does the document help to answer the query?",), ("Yes", "No"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """Documents to score against a query. ``truncate`` cuts documents that are too long, else they are an error."""

    model: Model
    name: str
    query: str
    documents: tuple[str, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class Reranked:
    """A score from 0 to 1 for each document, in their order; times as those of ``Decided``."""

    scores: tuple[float, ...]
    prompt_tokens: int
    load_duration: int
    cached_tokens: int = 0
    loading: int = 0


async def rerank(
    scheduler: Lender, request: RerankRequest, keep_alive: float | None = None, caller: Caller | None = None
) -> Reranked:
    """Return the scores; raise a ``PunaError`` for what the model or its context cannot do."""
    if not request.documents:
        return Reranked((), 0, 0)
    if is_reranker(request.model.gguf):
        return await _by_reranker(scheduler, request, keep_alive, caller)
    if is_embedding_model(request.model.gguf):
        raise UnsupportedError(request.name, "rerank")
    scores: list[float] = []
    read = cached = load_duration = loading = 0
    for document in request.documents:
        decided = await _decided(scheduler, request, document, keep_alive, caller)
        scores.append(decided.probabilities[0][0])
        read, cached = read + decided.prompt_tokens, cached + decided.cached_tokens
        load_duration, loading = max(load_duration, decided.load_duration), max(loading, decided.loading)
    return Reranked(tuple(scores), read, load_duration, cached, loading)


async def _decided(
    scheduler: Lender, request: RerankRequest, document: str, keep_alive: float | None, caller: Caller | None
) -> Decided:
    """Return the answer about one document, of which so much is shown as fits with the query."""
    try:
        return await decide(scheduler, _question(request, document), keep_alive, caller)
    except ContextExceededError as error:
        if not request.options.truncate:
            raise
        model, options = request.model, request.options
        tokens = await tokenize(scheduler, model, options, document, keep_alive, caller, special=False)
        room = len(tokens) - (error.prompt_tokens - error.context) - _MARGIN
        if room <= 0:
            raise
    shown = await detokenize(scheduler, model, options, tokens[:room], keep_alive, caller)
    return await decide(scheduler, _question(request, shown), keep_alive, caller)


def _question(request: RerankRequest, document: str) -> DecideRequest:
    return DecideRequest(
        model=request.model,
        name=request.name,
        messages=(Message(role="user", content=f"Query: {request.query}\n\nDocument: {document}\n"),),
        questions=(_RELEVANT,),
        options=request.options,
    )


async def _by_reranker(
    scheduler: Lender, request: RerankRequest, keep_alive: float | None, caller: Caller | None
) -> Reranked:
    async def work(lease: Lease) -> Reranked:
        documents = await _fitting(lease, request)
        answer = await lease.client.rerank(request.query, documents)
        scores = {int(entry["index"]): float(entry["relevance_score"]) for entry in answer["results"]}
        tokens = int(answer.get("usage", {}).get("prompt_tokens", 0))
        shares = tuple(_share(scores[index]) for index in range(len(documents)))
        return Reranked(shares, tokens, lease.load_duration, loading=lease.loading)

    options = replace(request.options.runner, embeds=True)
    return await scheduler.run(request.model, options, work, keep_alive=keep_alive, caller=caller)


async def _fitting(lease: Lease, request: RerankRequest) -> Sequence[str]:
    """Return the documents, each so short that it goes with the query in one step of the engine."""
    room = min(lease.context, lease.runner.config.batch) - await lease.client.token_count(request.query) - 4
    if room <= 0:
        raise ContextExceededError(lease.context - room, lease.context)
    fitting = []
    for document in request.documents:
        if len(document.encode()) > room:  # no token is shorter than a byte
            tokens = await lease.client.tokenize(document, special=False)
            if len(tokens) > room and not request.options.truncate:
                raise ContextExceededError(len(tokens) + lease.context - room, lease.context)
            document = await lease.client.detokenize(tokens[:room]) if len(tokens) > room else document
        fitting.append(document)
    return fitting


def _share(score: float) -> float:
    """Return a score, which is a logit, as a number from 0 to 1, the order kept."""
    return 1 / (1 + math.exp(-max(min(score, 500.0), -500.0)))
