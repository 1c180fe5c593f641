"""Llama 1 to 3.3 and models of the same shape."""

from collections.abc import Iterator
from typing import ClassVar

import gguf
import numpy as np

from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.family import Family
from puna.models.create.convert.numbers import Array
from puna.models.create.convert.output import Change
from puna.models.create.safetensors import SourceTensor


class Llama(Family):
    """Rotary positions are interleaved in llama.cpp, and halves of a head in transformers: rows are
    reordered.
    """

    architectures: ClassVar[tuple[str, ...]] = ("LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel")
    arch = gguf.MODEL_ARCH.LLAMA

    def write_parameters(self, writer: gguf.GGUFWriter) -> None:
        self.write_common(writer)
        self.write_attention(writer)
        self.rope.write(writer, self.head_size)

    def rename(self, name: str) -> str | None:
        return name if name.startswith(("model.", "lm_head.")) else "model." + name

    def change(self, name: str, source: SourceTensor) -> Change:
        if name.endswith((".q_proj.weight", ".q_proj.bias")):
            return Change(order=interleaved(source.shape[0], self.heads))
        if name.endswith((".k_proj.weight", ".k_proj.bias")):
            return Change(order=interleaved(source.shape[0], self.kv_heads))
        return Change()

    def extra_tensors(self) -> Iterator[tuple[str, Array]]:
        factors = self.rope.llama3_factors(self.head_size)
        if factors is not None:
            yield "rope_freqs.weight", factors


def interleaved(rows: int, heads: int) -> Array:
    """The order of rows that brings the two halves of every head's rotation next to each other."""
    if rows % (2 * heads):
        raise ConvertError(f"config.json: {heads} heads do not divide a projection of {rows} rows")
    return np.arange(rows).reshape(heads, 2, rows // heads // 2).swapaxes(1, 2).reshape(rows)
