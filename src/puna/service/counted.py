"""The record of a request whose answer is no stream, wherever it is answered: here, or on a node of a cluster."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from puna.inference.decide import Decided, DecideRequest
from puna.inference.embed import Embedded, EmbedRequest
from puna.inference.rerank import Reranked, RerankRequest
from puna.inference.watching import Watcher, taken
from puna.telemetry.record import DONE, FAILED, GONE, Record

A = TypeVar("A", EmbedRequest, DecideRequest, RerankRequest)
T = TypeVar("T", Embedded, Decided, Reranked)


async def counted(request: A, record: Record, watchers: Sequence[Watcher], work: Callable[[A], Awaitable[T]]) -> T:
    """Return what ``work`` makes of a request, and record it. It tells ``watchers`` itself what a runner was asked."""
    request = taken(watchers, request)
    try:
        result = await work(request)
    except Exception as error:
        record.end(FAILED, type(error).__name__)
        raise
    else:
        _read(record, result)
        record.end(DONE)
        return result
    finally:
        record.end(GONE)
        for watcher in watchers:
            watcher.over()


def _read(record: Record, result: Embedded | Decided | Reranked) -> None:
    record.ready, record.load, record.prompt = result.load_duration, result.loading, result.prompt_tokens
    if isinstance(result, Embedded):
        record.cut = result.dropped_tokens
    else:
        record.cached = result.cached_tokens
