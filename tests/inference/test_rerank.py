"""Scores of a model that was made to give them."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.inference.world import ScriptedEngine, model_of

from puna.engine.errors import ContextExceededError
from puna.inference.options import Options
from puna.inference.rerank import Reranked, RerankRequest, rerank
from puna.scheduler.lease import Lease
from puna.scheduler.lender import Lender

RERANKER = {"bert.pooling_type": 4}


class Reranker(ScriptedEngine):
    """An engine that likes the longest document best, and tells of the last one first."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: Sequence[str] = ()

    async def run(self, _: Any, options: Any, work: Callable[[Lease], Awaitable[Any]], **__: Any) -> Any:
        assert options.embeds
        runner: Any = SimpleNamespace(config=SimpleNamespace(batch=20))
        ticket: Any = None
        return await work(Lease(runner, self, 30, 7, ticket))

    async def rerank(self, query: str, documents: Sequence[str]) -> Any:
        self.documents = documents
        scores = [{"index": at, "relevance_score": 2.0 * len(one) - 4} for at, one in enumerate(documents)]
        return {"results": scores[::-1], "usage": {"prompt_tokens": 5}}


async def ranked(folder: Path, *documents: str, **options: Any) -> tuple[Reranker, Reranked]:
    engine, model = Reranker(), model_of(folder, RERANKER, arch="bert")
    request = RerankRequest(
        model=model, name="tiny", query="query", documents=documents, options=Options.merge(options)
    )
    return engine, await rerank(cast("Lender", engine), request)


async def test_scores_lie_between_0_and_1_in_the_order_of_the_documents(tmp_path: Path) -> None:
    _, result = await ranked(tmp_path, "ab", "abc", "a")
    assert result.scores == pytest.approx((0.5, 0.8808, 0.1192), abs=1e-4)
    assert (result.prompt_tokens, result.load_duration) == (5, 7)


async def test_a_document_is_cut_to_what_fits_beside_the_query(tmp_path: Path) -> None:
    engine, _ = await ranked(tmp_path, "abcdefghijklmnop", "éééé", "short")
    assert engine.documents == ["abcdefghij", "éééé", "short"], "20 without those of the query and what is around it"
    with pytest.raises(ContextExceededError):
        await ranked(tmp_path, "abcdefghijklmnop", truncate=False)


async def test_nothing_is_ranked_without_documents(tmp_path: Path) -> None:
    assert (await ranked(tmp_path))[1] == Reranked((), 0, 0)
