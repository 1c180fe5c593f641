"""Models with random weights: what is in the file, and that the engine takes it."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from bench.models import SHAPES, Shape, make
from bench.vocabulary import CONTROL, SMALLEST, text, vocabulary
from tests.bench.shapes import BIASED, SMALL

from puna.engine.config import RunnerConfig
from puna.engine.runner import Runner
from puna.models.gguf import read_gguf


def test_a_vocabulary_has_the_size_asked_for_and_no_token_twice() -> None:
    words = vocabulary(SHAPES["0.5b"].vocabulary)
    assert len(words.tokens) == len(set(words.tokens)) == 151_936
    assert words.tokens[-len(CONTROL) :] == list(CONTROL)


@pytest.mark.parametrize("size", [SMALLEST - 1, 10_000_000])
def test_a_vocabulary_too_small_or_too_large_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"a vocabulary has at (least|most) \d+ tokens"):
        vocabulary(size)


def test_every_merge_joins_tokens_that_come_before_it() -> None:
    words = vocabulary(SMALLEST + 1000)
    known = set(words.tokens[:256])
    for merge in words.merges:
        left, right = merge.split()
        assert {left, right} <= known
        known.add(left + right)


def test_a_seed_makes_one_text() -> None:
    assert text(5, ("a", 1)) == text(5, ("a", 1)) != text(5, ("a", 2))


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    first, second, other = (make(SMALL, tmp_path / str(number) / "m.gguf", seed=number // 2) for number in range(3))
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_types_are_those_of_the_mix(tmp_path: Path) -> None:
    model = read_gguf(make(SMALL, tmp_path / "m.gguf"))
    kinds = {tensor.name: tensor.type.name for tensor in model.tensors}
    assert kinds["output.weight"] == "Q6_K"
    assert kinds["token_embd.weight"] == kinds["blk.0.attn_q.weight"] == "Q4_K"
    assert kinds["blk.0.ffn_norm.weight"] == "F32"


def test_rows_too_narrow_for_large_blocks_have_small_ones(tmp_path: Path) -> None:
    model = read_gguf(make(BIASED, tmp_path / "m.gguf"))
    kinds = {tensor.name: tensor.type.name for tensor in model.tensors}
    assert kinds["token_embd.weight"] == "Q8_0"
    assert kinds["blk.0.attn_q.weight"] == "Q5_0"


@pytest.mark.parametrize("shape", [SMALL, BIASED])
def test_weights_are_spread_around_zero(shape: Shape, tmp_path: Path) -> None:
    for tensor in gguf.GGUFReader(make(shape, tmp_path / "m.gguf")).tensors:
        if tensor.name.endswith("weight") and len(tensor.shape) == 2:
            weights = gguf.dequantize(tensor.data, tensor.tensor_type)
            assert np.isfinite(weights).all()
            assert abs(weights.mean()) < 0.005
            assert weights.std() == pytest.approx(0.04, rel=0.1)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensor_data", full)
    with pytest.raises(OSError, match="no space left"):
        make(SMALL, tmp_path / "m.gguf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [SMALL, BIASED])
async def test_the_engine_loads_it_counts_as_we_do_and_answers(shape: Shape, tmp_path: Path, socket_path: Path) -> None:
    path = make(shape, tmp_path / "m.gguf")
    runner = await Runner.start("m", RunnerConfig(model_path=str(path), context=512), socket_path, load_timeout=60)
    try:
        assert len(await runner.client.tokenize(text(100, 1))) == 100
        answer = await runner.client.complete({"prompt": text(10, 2), "n_predict": 4, "ignore_eos": True})
        assert answer["tokens_predicted"] == 4
        prompt = await runner.client.apply_template({"messages": [{"role": "user", "content": "badu"}]})
        assert prompt == "<|im_start|>user\nbadu<|im_end|>\n<|im_start|>assistant\n"
    finally:
        await runner.stop()
