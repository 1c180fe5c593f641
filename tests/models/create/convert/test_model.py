"""Conversion as a whole: what is written, what is refused, and that nothing is left behind."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from puna.errors import BadRequestError
from puna.models.create.convert import ConvertError, convert
from puna.models.create.convert.families.llama import interleaved
from puna.models.create.convert.numbers import to_bfloat16
from puna.models.create.progress import CreateCancelledError, Progress
from puna.models.gguf import GGUFArray, GGUFFile, read_gguf


def run(directory: Path, out: Path, outtype: str = "f32") -> list[Progress]:
    reports: list[Progress] = []
    convert(directory, out, outtype=outtype, progress=reports.append, cancelled=lambda: False)
    return reports


def data_of(model: GGUFFile, name: str, dtype: Any) -> Any:
    tensor = next(tensor for tensor in model.tensors if tensor.name == name)
    raw = model.path.read_bytes()[tensor.offset : tensor.offset + tensor.nbytes]
    return np.frombuffer(raw, dtype).reshape(tensor.shape[::-1])


def test_what_a_converted_model_says(make_checkpoint: Any, tmp_path: Path) -> None:
    directory = make_checkpoint(tokenizer={"chat_template": None})
    template = {"chat_template": "{{ messages }}", "bos_token": "<s>", "eos_token": {"content": "</s>"}}
    (directory / "tokenizer_config.json").write_text(json.dumps(template))
    reports = run(directory, tmp_path / "model.gguf")
    model = read_gguf(tmp_path / "model.gguf")
    assert (model.architecture, model.file_type, model.context_length) == ("llama", "F32", 64)
    assert model.metadata["general.name"] == "Tiny"
    assert model.chat_template == "{{ messages }}"
    assert model.metadata["tokenizer.ggml.model"] == "gpt2"
    assert model.metadata["tokenizer.ggml.pre"] == "gpt-2"
    assert model.metadata["tokenizer.ggml.tokens"][:6] == ("[PAD0]", "<s>", "</s>", "a", "b", "ab")  # type: ignore[index]
    assert model.metadata["tokenizer.ggml.token_type"] == (5, 3, 3, 1, 1, 1, 1, 1, 5, 5, 5, 5)
    assert model.metadata["tokenizer.ggml.merges"] == ("a b", "Ġ ab")
    assert model.metadata["tokenizer.ggml.bos_token_id"] == 1
    assert model.metadata["tokenizer.ggml.add_bos_token"] is False
    assert {tensor.name for tensor in model.tensors} >= {"output.weight", "blk.0.attn_q.weight"}
    total = (directory / "model.safetensors").stat().st_size
    assert 0 < total - reports[-1].total < 4096  # all but the header
    assert reports[0].completed == 0
    assert reports[-1].completed == reports[-1].total


def test_rows_of_queries_and_keys_are_interleaved(make_checkpoint: Any, tmp_path: Path) -> None:
    rows = np.repeat(np.arange(16, dtype=np.float32)[:, None], 16, axis=1)
    directory = make_checkpoint(tensors={"model.layers.0.self_attn.q_proj.weight": rows})
    run(directory, tmp_path / "model.gguf")
    got = data_of(read_gguf(tmp_path / "model.gguf"), "blk.0.attn_q.weight", np.float32)
    assert got[:, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]
    with pytest.raises(ConvertError, match="3 heads do not divide"):
        interleaved(16, 3)


@pytest.mark.parametrize(
    ("outtype", "dtype", "name"),
    [("f16", np.float16, "F16"), ("bf16", np.uint16, "BF16"), ("auto", np.uint16, "BF16")],
)
def test_types_of_the_output(outtype: str, dtype: Any, name: str, make_checkpoint: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    exact = (rng.integers(-128, 128, (12, 16)) / 8).astype(np.float32)
    bits = (exact.view(np.uint32) >> 16).astype(np.uint16)
    weights = {
        "model.embed_tokens.weight": bits,
        "lm_head.weight": bits,
        "model.layers.0.mlp.up_proj.weight": np.tile(bits, (2, 1)),
        "model.layers.0.mlp.gate_proj.weight": np.tile(bits, (2, 1)),
        "model.layers.0.mlp.down_proj.weight": np.tile(bits, (2, 1)).reshape(16, 24),
    }
    run(make_checkpoint(tensors=weights), tmp_path / "model.gguf", outtype)
    model = read_gguf(tmp_path / "model.gguf")
    assert model.file_type == name
    types = {tensor.name: tensor.type.name for tensor in model.tensors}
    assert types["token_embd.weight"] == types["blk.0.attn_q.weight"] == name
    assert types["blk.0.attn_norm.weight"] == types["output_norm.weight"] == "F32"
    wanted = bits if dtype == np.uint16 else exact.astype(np.float16)
    assert data_of(model, "token_embd.weight", dtype).tolist() == wanted.tolist()


def test_rounding_to_bfloat16() -> None:
    values = np.array([1.0, 1.00390625, 1.01171875, -0.0, np.inf, np.nan, 3.4e38], np.float32)
    got = (to_bfloat16(values).astype(np.uint32) << 16).view(np.float32)
    assert got[:5].tolist() == [1.0, 1.0, 1.015625, -0.0, np.inf]  # ties go to even
    assert np.isnan(got[5])
    assert got[6] == np.inf


def test_tied_output_is_left_out(make_checkpoint: Any, tmp_path: Path) -> None:
    run(make_checkpoint(config={"tie_word_embeddings": True}), tmp_path / "model.gguf")
    assert "output.weight" not in {tensor.name for tensor in read_gguf(tmp_path / "model.gguf").tensors}


def test_end_of_turn_comes_from_the_generation_config(make_checkpoint: Any, tmp_path: Path) -> None:
    directory = make_checkpoint()
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 5]}))
    run(directory, tmp_path / "model.gguf")
    metadata = read_gguf(tmp_path / "model.gguf").metadata
    assert (metadata["tokenizer.ggml.eos_token_id"], metadata["tokenizer.ggml.eot_token_id"]) == (2, 5)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "architecture": (
        {"config": {"architectures": ["XLNetModel"]}},
        "architecture XLNetModel is not supported",
    ),
    "no architecture": ({"config": {"architectures": None}}, "architecture nothing"),
    "quantised": ({"config": {"quantization_config": {"bits": 4}}}, "already quantised"),
    "no width": ({"config": {"hidden_size": None}}, "hidden_size is missing"),
    "wide": ({"config": {"hidden_size": 2**40}}, "hidden_size is 1099511627776"),
    "zero heads": ({"config": {"num_attention_heads": 0}}, "num_attention_heads is 0"),
    "many layers": ({"config": {"num_hidden_layers": 10**9}}, "num_hidden_layers is 1000000000"),
    "text": ({"config": {"intermediate_size": "many"}}, "intermediate_size is 'many'"),
    "uneven heads": ({"config": {"num_attention_heads": 3, "num_key_value_heads": 2}}, "cannot share"),
    "other width": ({"config": {"hidden_size": 32, "head_dim": 8}}, "embedding_length is 32"),
    "missing layer": ({"config": {"num_hidden_layers": 2}}, "no tensors of layer 1"),
    "rope kind": ({"config": {"rope_scaling": {"type": "spiral"}}}, "rope scaling 'spiral'"),
    "rope factor": ({"config": {"rope_scaling": {"type": "linear", "factor": 0}}}, "no usable factor"),
    "rope theta": ({"config": {"rope_theta": -1}}, "out of range"),
    "unknown tensor": (
        {"tensors": {"model.x.weight": np.zeros((2, 2), np.float32)}},
        "'model.x.weight' has no place",
    ),
    "no embeddings": ({"tensors": {"model.embed_tokens.weight": None}}, "no token embeddings"),
    "no output": (
        {"config": {"tie_word_embeddings": False}, "tensors": {"lm_head.weight": None}},
        "no output matrix",
    ),
    "scalar": ({"tensors": {"model.norm.weight": np.zeros((), np.float32)}}, "cannot be converted"),
    "integers": ({"tensors": {"model.norm.weight": np.zeros(16, np.int64)}}, "cannot be converted"),
    "empty": ({"tensors": {"model.norm.weight": np.zeros(0, np.float32)}}, "cannot be converted"),
    "no model": ({"tokenizer": {"model": None}}, "neither tokenizer.json nor tokenizer.model"),
    "unigram": ({"tokenizer": {"model": {"type": "Unigram"}}}, "models of the type 'Unigram'"),
    "too many tokens": (
        {"tokenizer": {"model": {"type": "BPE", "vocab": {"x": 99}, "merges": []}}},
        "more tokens",
    ),
    "same id": (
        {"tokenizer": {"model": {"type": "BPE", "vocab": {"x": 1, "y": 1}, "merges": []}}},
        "given twice",
    ),
    "negative id": (
        {"tokenizer": {"model": {"type": "BPE", "vocab": {"x": -1}, "merges": []}}},
        "has the id -1",
    ),
    "merge": (
        {"tokenizer": {"model": {"type": "BPE", "vocab": {"x": 1}, "merges": ["a"]}}},
        "merge 'a' is malformed",
    ),
    "added": ({"tokenizer": {"added_tokens": [{"id": "q", "content": "x"}]}}, "added token is malformed"),
    "pre-tokenizer": ({"tokenizer": {"pre_tokenizer": {"type": "Whitespace"}}}, "no known pre-tokenizer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_checkpoints_that_cannot_be_converted(case: str, make_checkpoint: Any, tmp_path: Path) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(BadRequestError, match=message):
        run(make_checkpoint(**changes), tmp_path / "model.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_directory_without_config(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"config\.json is missing"):
        run(tmp_path, tmp_path / "model.gguf")
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ConvertError, match=r"config\.json is not a JSON object"):
        run(tmp_path, tmp_path / "model.gguf")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConvertError, match=r"config\.json is not JSON"):
        run(tmp_path, tmp_path / "model.gguf")
    with pytest.raises(ConvertError, match="unknown output type 'q9'"):
        run(tmp_path, tmp_path / "model.gguf", "q9")


@pytest.mark.parametrize("after", [0, 1, 5])
def test_cancelling_leaves_nothing_behind(after: int, make_checkpoint: Any, tmp_path: Path) -> None:
    asked = iter(range(100))
    out = tmp_path / "model.gguf"
    with pytest.raises(CreateCancelledError):
        convert(
            make_checkpoint(),
            out,
            outtype="f16",
            progress=lambda _: None,
            cancelled=lambda: next(asked) >= after,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_an_older_file_survives_a_failed_conversion(make_checkpoint: Any, tmp_path: Path) -> None:
    out = tmp_path / "model.gguf"
    out.write_bytes(b"older")
    with pytest.raises(ConvertError):
        run(make_checkpoint(config={"num_hidden_layers": 2}), out)
    assert out.read_bytes() == b"older"


def test_memory_stays_below_the_largest_tensor(make_checkpoint: Any, tmp_path: Path) -> None:
    plain, reordered = np.zeros((2**22, 16), np.uint16), np.zeros((2**20, 16), np.uint16)  # 128 and 32 MiB
    weights = {
        "model.layers.0.mlp.up_proj.weight": plain,
        "model.layers.0.self_attn.q_proj.weight": reordered,
    }
    directory = make_checkpoint(tensors=weights)
    del plain, reordered, weights
    tracemalloc.start()
    run(directory, tmp_path / "model.gguf", "f16")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 128 * 2**20


def test_the_vocabulary_is_kept_whole(make_checkpoint: Any, tmp_path: Path) -> None:
    rows = np.zeros((3000, 16), np.float32)
    vocabulary = {f"t{number}": number for number in range(3000)}
    tokenizer = {"model": {"type": "BPE", "vocab": vocabulary, "merges": []}, "added_tokens": []}
    weights = {"model.embed_tokens.weight": rows, "lm_head.weight": rows}
    run(make_checkpoint(tokenizer=tokenizer, tensors=weights), tmp_path / "model.gguf")
    tokens = read_gguf(tmp_path / "model.gguf").metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, GGUFArray)
    assert tokens.load() == list(vocabulary)
