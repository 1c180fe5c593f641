"""Quantising files: the weights, the metadata, the memory, and llama.cpp's own tool as the judge."""

import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.system import require_quantize

from puna.errors import BadRequestError
from puna.models.create.progress import CreateCancelledError, Progress
from puna.models.create.quantize import MIXES, QuantizeError, quantize
from puna.models.gguf import GGUFFile, read_gguf

LAYERS = 8


def write_model(path: Path, *, width: int = 256, kind: Any = np.float32, tied: bool = False, **changes: Any) -> Path:
    """A Llama-shaped file of random weights; ``changes`` replaces tensors by name."""
    rng = np.random.default_rng(2)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(2 * width)
    writer.add_context_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(1)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"t{number}" for number in range(64)])
    writer.add_token_scores([0.0] * 64)
    writer.add_token_types([1] * 64)
    tensors = {"token_embd.weight": (64, width), "output_norm.weight": (width,)}
    if not tied:
        tensors["output.weight"] = (64, width)
    for number in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            tensors[f"blk.{number}.{name}.weight"] = (width,)
        shapes = {"attn_q": (width, width), "attn_k": (width // 4, width), "attn_v": (width // 4, width)}
        shapes |= {
            "attn_output": (width, width),
            "ffn_gate": (2 * width, width),
            "ffn_up": (2 * width, width),
        }
        for name, shape in {**shapes, "ffn_down": (width, 2 * width)}.items():
            tensors[f"blk.{number}.{name}.weight"] = shape
    for name, shape in tensors.items():
        values = changes.get(name, rng.standard_normal(shape, np.float32))
        if kind == "bf16" and len(shape) == 2:
            bits = (values.view(np.uint32) >> 16).astype(np.uint16)
            writer.add_tensor(name, bits.view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(name, values.astype(np.float32 if len(shape) == 1 or kind == "bf16" else kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def run(source: Path | list[Path], out: Path, mix: str, **options: Any) -> list[Progress]:
    reports: list[Progress] = []
    sources = source if isinstance(source, list) else [source]
    quantize(sources, out, mix=mix, progress=reports.append, cancelled=lambda: False, **options)
    return reports


def weights(model: GGUFFile) -> dict[str, Any]:
    data = model.path.read_bytes()
    return {
        tensor.name: gguf.dequantize(
            np.frombuffer(data, np.uint8, tensor.nbytes, tensor.offset).reshape(
                -1, tensor.nbytes // (tensor.elements // tensor.shape[0])
            ),
            gguf.GGMLQuantizationType(tensor.type.id),
        ).reshape(tensor.shape[::-1])
        for tensor in model.tensors
    }


@pytest.mark.parametrize(
    ("mix", "error"),
    [("q8_0", 0.01), ("q6_K", 0.02), ("q5_K_M", 0.04), ("q4_K_M", 0.08), ("q4_0", 0.1), ("iq4_nl", 0.1)],
)
def test_quantised_weights_are_near_the_originals(mix: str, error: float, tmp_path: Path) -> None:
    source = write_model(tmp_path / "model.gguf")
    reports = run(source, tmp_path / "out.gguf", mix)
    before, after = read_gguf(source), read_gguf(tmp_path / "out.gguf")
    assert after.file_type == MIXES[mix.upper()].name
    assert after.metadata["general.quantization_version"] == 2
    assert after.metadata["tokenizer.ggml.tokens"] == before.metadata["tokenizer.ggml.tokens"]
    assert after.parameter_count == before.parameter_count
    assert after.file_size < before.file_size / 3
    assert reports[0].completed == 0
    assert reports[-1].completed == reports[-1].total
    originals = weights(before)
    for name, values in weights(after).items():
        distance = np.linalg.norm(values - originals[name]) / np.linalg.norm(originals[name])
        assert distance < (error if originals[name].ndim > 1 else 1e-9), name


@pytest.mark.parametrize("kind", [np.float16, "bf16"])
def test_narrow_sources(kind: Any, tmp_path: Path) -> None:
    run(write_model(tmp_path / "model.gguf", kind=kind), tmp_path / "out.gguf", "q8_0")
    after = read_gguf(tmp_path / "out.gguf")
    originals = weights(read_gguf(tmp_path / "model.gguf"))
    for name, values in weights(after).items():
        assert np.allclose(values, originals[name], atol=0.03), name


def test_the_result_does_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    source = write_model(tmp_path / "model.gguf", kind=np.float16)
    for threads in (1, 3):
        run(source, tmp_path / f"{threads}.gguf", "q4_K_M", threads=threads)
    assert (tmp_path / "1.gguf").read_bytes() == (tmp_path / "3.gguf").read_bytes()


def test_rows_too_narrow_for_the_mix(tmp_path: Path) -> None:
    run(write_model(tmp_path / "model.gguf", width=96), tmp_path / "out.gguf", "q4_K_M")
    types = {tensor.name: tensor.type.name for tensor in read_gguf(tmp_path / "out.gguf").tensors}
    assert (types["blk.2.ffn_up.weight"], types["output.weight"]) == ("Q5_0", "Q8_0")


def split(source: Path, count: int) -> list[Path]:
    """The shards of a file, made with the ``gguf`` package."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(
        source.with_name("shard.gguf"), "llama", split_max_tensors=-(-len(reader.tensors) // count)
    )
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            kind = field.types[0]
            writer.add_key_value(field.name, field.contents(), kind, field.types[-1] if len(field.types) > 1 else None)
    for item in reader.tensors:
        writer.add_tensor(item.name, item.data, raw_dtype=item.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(source.parent.glob("shard-*.gguf"))


def test_shards_become_one_file(tmp_path: Path) -> None:
    source = write_model(tmp_path / "model.gguf")
    run(source, tmp_path / "whole.gguf", "q4_K_M")
    shards = split(source, 3)
    assert len(shards) == 3
    run(shards, tmp_path / "joined.gguf", "q4_K_M")
    whole, joined = read_gguf(tmp_path / "whole.gguf"), read_gguf(tmp_path / "joined.gguf")
    assert [(item.name, item.type) for item in whole.tensors] == [(item.name, item.type) for item in joined.tensors]
    assert "split.count" not in joined.metadata
    with pytest.raises(QuantizeError, match="is one of 3 files, 2 were given"):
        run(shards[:2], tmp_path / "out.gguf", "q8_0")
    with pytest.raises(QuantizeError, match="is not shard 2"):
        run([shards[0], shards[2], shards[1]], tmp_path / "out.gguf", "q8_0")


def test_what_cannot_be_quantised(tmp_path: Path) -> None:
    source, out = write_model(tmp_path / "model.gguf"), tmp_path / "out.gguf"
    run(source, tmp_path / "small.gguf", "q4_0")
    with pytest.raises(QuantizeError, match="only F32, F16 and BF16"):
        run(tmp_path / "small.gguf", out, "q8_0")
    with pytest.raises(QuantizeError, match="no file to quantise"):
        run([], out, "q8_0")
    (tmp_path / "noise.gguf").write_bytes(b"noise")
    with pytest.raises(BadRequestError, match="not a GGUF file"):
        run(tmp_path / "noise.gguf", out, "q8_0")
    for bad in (np.inf, np.nan):
        broken = np.zeros((512, 256), np.float32)
        broken[7, 3] = bad
        path = write_model(tmp_path / "broken.gguf", **{"blk.1.ffn_up.weight": broken})
        with pytest.raises(QuantizeError, match=r"'blk\.1\.ffn_up\.weight' has weights that are not finite"):
            run(path, out, "q4_K_M")
    assert not out.exists()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("after", [0, 1, 9])
def test_cancelling_leaves_nothing_behind(after: int, tmp_path: Path) -> None:
    source = write_model(tmp_path / "model.gguf")
    asked = iter(range(1000))
    with pytest.raises(CreateCancelledError):
        quantize(
            [source],
            tmp_path / "out.gguf",
            mix="q4_K_M",
            progress=lambda _: None,
            cancelled=lambda: next(asked) >= after,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


def test_memory_does_not_grow_with_the_tensors(tmp_path: Path) -> None:
    big = np.zeros((2**17, 256), np.float16)  # 64 MiB
    source = write_model(tmp_path / "model.gguf", kind=np.float16, **{"output.weight": big})
    del big
    tracemalloc.start()
    run(source, tmp_path / "out.gguf", "q8_0", threads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20


@pytest.mark.system("llama-quantize")
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("mix", MIXES)
def test_same_file_as_llama_quantize(mix: str, tied: bool, tmp_path: Path) -> None:
    tool = require_quantize()
    source = write_model(tmp_path / "model.gguf", kind=np.float16, tied=tied)
    theirs, ours = tmp_path / "theirs.gguf", tmp_path / "ours.gguf"
    subprocess.run([tool, source, theirs, str(MIXES[mix].number)], check=True, capture_output=True)
    run(source, ours, mix)
    wanted, got = read_gguf(theirs), read_gguf(ours)
    assert [(item.name, item.type.name) for item in got.tensors] == [
        (item.name, item.type.name) for item in wanted.tensors
    ]
    assert ours.read_bytes() == theirs.read_bytes()
