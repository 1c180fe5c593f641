"""Gemma 3, its text part."""

from collections.abc import Mapping
from typing import ClassVar

import gguf

from puna.models.create.convert.families.gemma2 import Gemma2

_LARGEST_BLOCKS = 62


class Gemma3(Gemma2):
    """Gemma 2 without caps, with norms on queries and keys; five of six layers see a window."""

    architectures = ("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration")
    arch = gguf.MODEL_ARCH.GEMMA3
    default_theta = 1_000_000.0
    defaults: ClassVar[Mapping[str, object]] = {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131_072,
        "query_pre_attn_scalar": 256,
        "rope_local_base_freq": 10_000.0,
    }

    def write_parameters(self, writer: gguf.GGUFWriter) -> None:
        self.check_scale(_LARGEST_BLOCKS)
        self.write_common(writer)
        self.write_attention(writer)
        self.rope.write(writer)
        writer.add_sliding_window(self.config.whole("sliding_window", default=4096))
        self.write_window_pattern(writer)
        cap = self.config.number_or_none("final_logit_softcapping")
        if cap is not None:
            writer.add_final_logit_softcapping(cap)

    def rename(self, name: str) -> str | None:
        for prefix in ("language_model.model.", "model.language_model."):
            if name.startswith(prefix):
                return "model." + name.removeprefix(prefix)
        return None if name.endswith("lm_head.weight") else name
