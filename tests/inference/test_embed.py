"""Texts on their way to the engine and vectors on their way back, and which models give some of unit length."""

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from tests.inference.world import ScriptedEngine, model_of

from puna.engine.errors import ContextExceededError
from puna.errors import PunaError
from puna.inference import embed as embedding
from puna.inference.embed import Embedded, EmbedRequest, embed, gives_unit_length
from puna.inference.options import Options
from puna.models.model import Model
from puna.scheduler.lease import Lease
from puna.scheduler.lender import Lender
from puna.scheduler.options import RunnerOptions


@pytest.mark.parametrize(
    ("arch", "metadata", "unit"),
    [
        ("llama", {}, True),
        ("llama", {"llama.pooling_type": 1}, True),
        ("bert", {}, True),
        ("bert", {"bert.pooling_type": 1}, True),
        ("bert", {"bert.pooling_type": 1, "bert.normalize_embeddings": False}, False),
        ("bert", {"bert.pooling_type": 1, "tokenizer.ggml.model": "t5"}, False),
        ("nomic-bert", {"nomic-bert.pooling_type": 1}, False),
        ("nomic-bert", {"nomic-bert.pooling_type": 1, "nomic-bert.normalize_embeddings": True}, True),
        ("gemma3", {"gemma3.pooling_type": 1}, True),
    ],
)
def test_unit_length_at_the_older_route(tmp_path: Path, arch: str, metadata: dict[str, Any], unit: bool) -> None:
    assert gives_unit_length(model_of(tmp_path, metadata, arch=arch)) is unit


class Embedder(ScriptedEngine):
    """An engine with as many tokens in a step as it is asked for, at first 8, that tells its vectors last first."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.inputs: list[Any] = []
        self.normal = 0
        self.row = [3.0, 4.0]

    async def run(self, model: Model, options: RunnerOptions, work: Callable[[Lease], Awaitable[Any]], **_: Any) -> Any:
        self.batches.append(options.num_batch)
        runner: Any = SimpleNamespace(config=SimpleNamespace(batch=options.num_batch or 8))
        ticket: Any = None
        return await work(Lease(runner, self, 16, 7, ticket))

    async def embed(self, body: Mapping[str, Any]) -> Any:
        self.inputs, self.normal = list(body["input"]), body["embd_normalize"]
        rows = [np.array([*self.row, number], np.float32) for number in range(len(self.inputs))]
        data = [{"index": n, "embedding": base64.b64encode(row.tobytes()).decode()} for n, row in enumerate(rows)]
        return {"data": data[::-1], "usage": {"prompt_tokens": 5}}


ENDS = {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}


async def embedded(folder: Path, *texts: str, **more: Any) -> tuple[Embedder, Embedded]:
    engine = Embedder()
    fields = {"options": Options()} | more
    request = EmbedRequest(model=model_of(folder, ENDS), texts=texts, **fields)
    return engine, await embed(cast("Lender", engine), request)


async def test_vectors_are_in_the_order_of_their_texts(tmp_path: Path) -> None:
    engine, result = await embedded(tmp_path, "a", "b", "c")
    assert engine.inputs == ["a", "b", "c"]
    assert [row[2] for row in result.vectors.tolist()] == [0, 1, 2]
    assert (result.prompt_tokens, result.load_duration, result.context, result.dropped_tokens) == (5, 7, 16, 0)


async def test_an_empty_text_is_the_end_of_one(tmp_path: Path) -> None:
    engine, _ = await embedded(tmp_path, "a", "")
    assert engine.inputs[0] == "a"
    assert engine.inputs[1] == [1], "an engine whose tokenizer begins every text"
    empty = EmbedRequest(model=model_of(tmp_path, ENDS), texts=((),), options=Options())
    await embed(cast("Lender", engine), empty)
    assert engine.inputs == [[2]]


async def test_a_long_text_keeps_its_last_token_and_has_a_step_that_holds_it(tmp_path: Path) -> None:
    engine, result = await embedded(tmp_path, "a", "abcdefghijklmnopqrst", "0123456789abcdefg")
    assert engine.inputs == ["a", [1, *b"abcdefghijklmnt"], [1, *b"0123456789abcdg"]]
    assert (result.dropped_tokens, engine.batches) == (5 + 2, [0, 16])
    for fields in ({"truncate": False}, {"options": Options.merge({"truncate": False})}):
        with pytest.raises(ContextExceededError) as caught:
            await embedded(tmp_path, "abcdefghijklmnopqrst", **fields)
        assert caught.value.prompt_tokens == 21


async def test_a_text_of_many_bytes_is_counted_in_tokens(tmp_path: Path) -> None:
    engine, _ = await embedded(tmp_path, "abcdef", "é" * 5)
    assert engine.inputs == ["abcdef", [1, *[ord("é")] * 5]]


async def test_numbers_that_are_none_are_an_error(tmp_path: Path) -> None:
    engine = Embedder()
    engine.row = [float("nan"), 1.0]
    request = EmbedRequest(model=model_of(tmp_path), texts=("a",), options=Options())
    with pytest.raises(PunaError, match="NaN or Inf"):
        await embed(cast("Lender", engine), request)


@pytest.mark.parametrize(("arch", "normal"), [("llama", 2), ("nomic-bert", -1)])
async def test_a_model_says_what_the_older_route_gives(tmp_path: Path, arch: str, normal: int) -> None:
    model = model_of(tmp_path, {f"{arch}.pooling_type": 1}, arch=arch)
    for normalize, sent in ((None, normal), (True, 2), (False, -1)):
        engine = Embedder()
        request = EmbedRequest(model=model, texts=("a",), options=Options(), normalize=normalize)
        await embed(cast("Lender", engine), request)
        assert engine.normal == sent


@pytest.mark.parametrize(("normalize", "row"), [(True, [0.6, 0.8]), (False, [3, 4])])
async def test_the_first_dimensions_have_unit_length_where_all_have(
    tmp_path: Path, normalize: bool, row: list[float]
) -> None:
    _, result = await embedded(tmp_path, "a", dimensions=2, normalize=normalize)
    assert result.vectors.tolist() == [pytest.approx(row)]


@pytest.mark.parametrize(("count", "beside"), [(10, False), (1000, True)])
async def test_many_vectors_are_read_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, beside: bool
) -> None:
    threads = []

    def decode(data: list[dict[str, Any]]) -> Any:
        threads.append(threading.current_thread())
        return decoded(data)

    decoded = embedding._decode
    monkeypatch.setattr(embedding, "_decode", decode)
    _, result = await embedded(tmp_path, *["a"] * count)
    assert [row[2] for row in result.vectors.tolist()] == list(range(count))
    assert (threads[0] is not threading.main_thread()) == beside


async def test_others_have_their_turns_while_very_many_texts_are_looked_at(tmp_path: Path) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    model = model_of(tmp_path, ENDS)
    going = asyncio.create_task(others())
    await asyncio.sleep(0)
    before = turns
    await embedding._inputs(Embedder(), model, ["a"] * 100_000, 16, 8, truncate=True)
    going.cancel()
    assert turns - before >= 20
