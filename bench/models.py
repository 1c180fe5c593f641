"""Makes models of real shapes with random weights, quantised as Q4_K_M: as fast and as big as real ones, but senseless.

    python -m bench.models 0.5b 1b [--directory DIR] [--seed 1]

The weights are random blocks of the quantised types, so a model takes seconds. The types are those that llama.cpp's
quantiser would choose.
"""

import argparse
import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from bench.vocabulary import CONTROL, vocabulary
from puna.models.create.quantize.mixes import TYPES, find_mix
from puna.models.create.quantize.rules import TypeChooser
from puna.models.gguf_types import TensorInfo, TensorType

_MIX = find_mix("Q4_K_M")
_DEVIATION = 0.04
"""The standard deviation of the weights: that of real ones, nearly. Where a block keeps its scales:"""
_SCALES = {"Q4_K": (0, 2), "Q6_K": (208, None), "Q5_0": (0, None), "Q8_0": (0, None)}
_MIDDLES = {"Q4_K": 7.5}
"""The mean of the numbers that a block's smallest value is subtracted from."""
_SAMPLE_BLOCKS = 4096
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """The measures of a model; ``biases`` says whether queries, keys and values have any."""

    architecture: str
    tokenizer: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    vocabulary: int
    context: int
    rope_base: float
    tied: bool
    biases: bool = False

    @property
    def head_width(self) -> int:
        """Return the width of one head."""
        return self.width // self.heads

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield names and shapes, in ggml's order, in the order of the file."""
        kv_width = self.head_width * self.kv_heads
        if not self.tied:
            yield "output.weight", (self.width, self.vocabulary)
        yield "output_norm.weight", (self.width,)
        yield "token_embd.weight", (self.width, self.vocabulary)
        for number in range(self.layers):
            block = f"blk.{number}"
            for name, width in (("k", kv_width), ("q", self.width), ("v", kv_width)):
                if self.biases:
                    yield f"{block}.attn_{name}.bias", (width,)
                yield f"{block}.attn_{name}.weight", (self.width, width)
            yield f"{block}.attn_norm.weight", (self.width,)
            yield f"{block}.attn_output.weight", (self.width, self.width)
            yield f"{block}.ffn_down.weight", (self.inner, self.width)
            yield f"{block}.ffn_gate.weight", (self.width, self.inner)
            yield f"{block}.ffn_norm.weight", (self.width,)
            yield f"{block}.ffn_up.weight", (self.width, self.inner)


SHAPES = {
    "0.5b": Shape("qwen2", "qwen2", 24, 896, 14, 2, 4864, 151_936, 32_768, 1e6, tied=True, biases=True),
    "1b": Shape("llama", "llama-bpe", 16, 2048, 32, 8, 8192, 128_256, 131_072, 5e5, tied=True),
}
"""The shapes of Qwen 2.5 0.5B and Llama 3.2 1B."""


def make(shape: Shape, path: Path, seed: int = 1) -> Path:
    """Write a model to ``path`` unless it is there; the same seed makes the same file."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        _write(shape, partial, seed)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _write(shape: Shape, path: Path, seed: int) -> None:
    kinds = list(_typed(shape))
    with contextlib.closing(gguf.GGUFWriter(path, shape.architecture)) as writer:
        _add_header(writer, shape, path.name)
        for tensor, kind in kinds:
            _announce(writer, tensor, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        rng = np.random.default_rng(seed)
        for tensor, kind in kinds:
            writer.write_tensor_data(_weights(rng, tensor, kind))


def _announce(writer: gguf.GGUFWriter, tensor: TensorInfo, kind: TensorType) -> None:
    rows = tensor.elements // tensor.shape[0]
    size = tensor.elements // kind.block_size * kind.type_size
    if kind.name == "F32":
        writer.add_tensor_info(tensor.name, tensor.shape[::-1], np.dtype(np.float32), size)
    else:
        raw = gguf.GGMLQuantizationType(kind.id)
        writer.add_tensor_info(tensor.name, (rows, size // rows), np.dtype(np.uint8), size, raw)


def _typed(shape: Shape) -> Iterator[tuple[TensorInfo, TensorType]]:
    names = [name for name, _ in shape.tensors()]
    chooser = TypeChooser(
        mix=_MIX,
        architecture=shape.architecture,
        layers=shape.layers,
        experts=0,
        gqa=shape.heads // shape.kv_heads,
        is_70b=False,
        tied=shape.tied,
        values=sum(name.endswith("attn_v.weight") for name in names),
    )
    for name, size in shape.tensors():
        tensor = TensorInfo(name, size, TYPES["F32"], 0, 0)
        yield tensor, TYPES[chooser.choose(tensor)]


def _add_header(writer: gguf.GGUFWriter, shape: Shape, name: str) -> None:
    writer.add_name(name.partition(".gguf")[0])
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(_MIX.number)
    writer.add_quantization_version(2)
    words = vocabulary(shape.vocabulary)
    normal = gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(shape.tokenizer)
    writer.add_token_list(words.tokens)
    writer.add_token_types([normal] * (shape.vocabulary - len(CONTROL)) + [gguf.TokenType.CONTROL] * len(CONTROL))
    writer.add_token_merges(words.merges)
    writer.add_bos_token_id(shape.vocabulary - len(CONTROL))
    writer.add_eos_token_id(shape.vocabulary - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE)


def _weights(rng: np.random.Generator, tensor: TensorInfo, kind: TensorType) -> Array:
    if kind.name == "F32":
        size = tensor.shape[::-1]
        return np.zeros(size, np.float32) if tensor.name.endswith("bias") else np.ones(size, np.float32)
    return _blocks(rng, tensor.elements // kind.block_size, kind)


def _blocks(rng: np.random.Generator, count: int, kind: TensorType) -> Array:
    """Return random blocks whose weights have a mean near 0 and the wanted deviation."""
    data = rng.integers(0, 1 << 64, -(-count * kind.type_size // 8), np.uint64).view(np.uint8)
    blocks = data[: count * kind.type_size].reshape(count, kind.type_size)
    scale, smallest = _SCALES[kind.name]
    _set_half(blocks, scale, 1.0)
    if smallest is not None:
        _set_half(blocks, smallest, _MIDDLES[kind.name])
    sample = gguf.dequantize(blocks[:_SAMPLE_BLOCKS].copy(), gguf.GGMLQuantizationType(kind.id))
    unit = _DEVIATION / float(sample.std())
    _set_half(blocks, scale, unit)
    if smallest is not None:
        _set_half(blocks, smallest, unit * _MIDDLES[kind.name])
    return blocks


def _set_half(blocks: Array, at: int, value: float) -> None:
    blocks[:, at : at + 2] = np.array([value], np.float16).view(np.uint8)


def main() -> None:
    """Make the models that are named."""
    parser = argparse.ArgumentParser(description="Make models of real shapes with random weights.")
    parser.add_argument("shapes", nargs="+", choices=SHAPES)
    parser.add_argument("--directory", type=Path, default=Path())
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.shapes:
        began = time.perf_counter()
        path = make(SHAPES[name], asked.directory / f"random-{name}.gguf", asked.seed)
        print(f"{path}: {path.stat().st_size / 1e6:.0f} MB in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
