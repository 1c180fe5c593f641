"""Phi 3, 3.5 and 4."""

import math
from collections.abc import Iterator

import gguf
import numpy as np

from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.family import Family
from puna.models.create.convert.numbers import Array


class Phi3(Family):
    """Queries, keys and values in one matrix; long contexts through two sets of frequency factors."""

    architectures = ("Phi3ForCausalLM",)
    arch = gguf.MODEL_ARCH.PHI3

    @property
    def _contexts(self) -> tuple[int, int]:
        whole = self.config.whole("max_position_embeddings", "n_positions")
        return whole, self.rope.scaling.whole("original_max_position_embeddings", default=whole)

    @property
    def _rotated(self) -> int:
        return int(self.rope.partial * self.head_size)

    def write_parameters(self, writer: gguf.GGUFWriter) -> None:
        whole, original = self._contexts
        self.write_common(writer)
        self.write_attention(writer)
        self.rope.write(writer, self._rotated)
        writer.add_rope_scaling_orig_ctx_len(original)
        # Zero says that there is no window; absence would make the engine assume one.
        writer.add_sliding_window(self.config.whole("sliding_window", default=0, least=0))
        if self.rope.kind in ("longrope", "su") and whole > original:
            # The growth of attention over a longer context, as in the paper on LongRoPE.
            writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(whole / original) / math.log(original)))

    def extra_tensors(self) -> Iterator[tuple[str, Array]]:
        if self.rope.kind not in ("longrope", "su"):
            return
        for name in ("long", "short"):
            factors = self.rope.scaling.sequence(f"{name}_factor")
            numbers = all(isinstance(item, int | float) and math.isfinite(item) for item in factors)
            if len(factors) != self._rotated // 2 or not numbers or 0 in factors:
                raise ConvertError(f"config.json: {name}_factor must hold {self._rotated // 2} numbers")
            yield f"rope_factors_{name}.weight", np.array(factors, np.float32)
