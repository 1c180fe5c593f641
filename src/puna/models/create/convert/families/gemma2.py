"""Gemma 2."""

import math
from typing import ClassVar

import gguf

from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.family import Family
from puna.models.create.convert.output import Change
from puna.models.create.safetensors import SourceTensor

_LARGEST_BLOCKS = 46


class Gemma2(Family):
    """Norms are stored as their distance from one, every second layer sees a window, logits are capped."""

    architectures: ClassVar[tuple[str, ...]] = ("Gemma2ForCausalLM",)
    arch = gguf.MODEL_ARCH.GEMMA2

    def write_parameters(self, writer: gguf.GGUFWriter) -> None:
        self.check_scale(_LARGEST_BLOCKS)
        self.write_common(writer)
        self.write_attention(writer)
        self.rope.write(writer)
        writer.add_attn_logit_softcapping(self.config.number("attn_logit_softcapping", default=50.0))
        writer.add_final_logit_softcapping(self.config.number("final_logit_softcapping", default=30.0))
        writer.add_sliding_window(self.config.whole("sliding_window", default=4096))
        self.write_window_pattern(writer)

    def rename(self, name: str) -> str | None:
        return None if name == "lm_head.weight" else name

    def change(self, name: str, source: SourceTensor) -> Change:  # noqa: ARG002
        return Change(add=1.0) if name.endswith("norm.weight") else Change()

    def write_window_pattern(self, writer: gguf.GGUFWriter) -> None:
        """Which layers see only a window, where the checkpoint says so."""
        kinds = self.config.sequence("layer_types")
        every = self.config.whole_or_none("sliding_window_pattern", least=1)
        if kinds and len(kinds) == self.blocks:
            writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in kinds])
        elif every is not None:
            writer.add_sliding_window_pattern([(number + 1) % every != 0 for number in range(self.blocks)])

    def check_scale(self, largest: int) -> None:
        """llama.cpp scales queries by the head size, and in the largest model by the width over the heads."""
        wanted = self.width // self.heads if self.blocks == largest else self.head_size
        scalar = self.config.number("query_pre_attn_scalar", default=float(wanted))
        if not math.isclose(scalar, wanted):
            raise ConvertError(f"config.json: query_pre_attn_scalar is {scalar:g}, only {wanted} can be expressed")
