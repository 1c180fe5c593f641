"""Qwen 2 and 2.5."""

from typing import ClassVar

import gguf

from puna.models.create.convert.families.llama import Llama
from puna.models.create.convert.family import Family


class Qwen2(Family):
    """Like Llama with biases on queries, keys and values, and rotary positions as transformers has them."""

    architectures: ClassVar[tuple[str, ...]] = ("Qwen2ForCausalLM", "Qwen2Model")
    arch = gguf.MODEL_ARCH.QWEN2

    def write_parameters(self, writer: gguf.GGUFWriter) -> None:
        self.write_common(writer)
        self.write_attention(writer)
        self.rope.write(writer, self.head_size)
        self.write_pooling(writer)

    rename = Llama.rename
