"""Rotary position settings of a checkpoint, in the old spelling of its configuration and the new one."""

import math
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np

from puna.models.create.convert.config import Config
from puna.models.create.convert.errors import ConvertError

_KINDS = ("default", "linear", "llama3", "yarn", "longrope", "su")


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary settings: ``theta`` of full-attention layers, ``local_theta`` of those with a sliding window."""

    theta: float
    local_theta: float | None
    kind: str
    partial: float
    scaling: Config

    def write(self, writer: gguf.GGUFWriter, dimensions: int | None = None) -> None:
        """Write the keys that llama.cpp reads; ``dimensions`` is how many of a head's values are rotated."""
        writer.add_rope_freq_base(self.theta)
        if self.local_theta is not None:
            writer.add_rope_freq_base_swa(self.local_theta)
        if dimensions is not None:
            writer.add_rope_dimension_count(dimensions)
        if self.kind == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(self._factor())
        elif self.kind == "yarn":
            self._write_yarn(writer)

    def _factor(self) -> float:
        factor = self.scaling.number_or_none("factor")
        if factor is None or factor <= 0:
            raise ConvertError(f"config.json: rope scaling {self.kind!r} has no usable factor")
        return factor

    def _write_yarn(self, writer: gguf.GGUFWriter) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(self._factor())
        writer.add_rope_scaling_orig_ctx_len(self.scaling.whole("original_max_position_embeddings"))
        optional = (
            (writer.add_rope_scaling_yarn_ext_factor, ("extrapolation_factor",)),
            (writer.add_rope_scaling_yarn_attn_factor, ("attention_factor", "attn_factor")),
            (writer.add_rope_scaling_yarn_beta_fast, ("beta_fast",)),
            (writer.add_rope_scaling_yarn_beta_slow, ("beta_slow",)),
        )
        for add, names in optional:
            value = self.scaling.number_or_none(*names)
            if value is not None:
                add(value)

    def llama3_factors(self, head_size: int) -> np.ndarray[Any, Any] | None:
        """The factor that each frequency is divided by under Llama 3.1's scheme, None for other schemes.

        Waves shorter than a quarter of the original context stay, longer ones than all of it are stretched by
        the factor, those between are blended (``_compute_llama3_parameters`` of transformers).
        """
        if self.kind != "llama3":
            return None
        factor = self._factor()
        low = self.scaling.number("low_freq_factor", default=1.0)
        high = self.scaling.number("high_freq_factor", default=4.0)
        context = self.scaling.whole("original_max_position_embeddings", default=8192)
        if low <= 0 or high <= low:
            raise ConvertError("config.json: the llama3 rope scaling has no usable frequency factors")
        exponents = np.arange(0, head_size, 2, dtype=np.float64) / head_size
        wavelengths = 2 * math.pi * self.theta**exponents
        smooth = np.clip((context / wavelengths - low) / (high - low), 0, 1)
        factors = 1 / ((1 - smooth) / factor + smooth)
        return factors.astype(np.float32)


def read_rope(config: Config, default_theta: float = 10_000.0) -> Rope:
    """The rotary settings in ``config``. Raises :class:`ConvertError` for a scheme that is not known.

    ``rope_theta`` with ``rope_scaling`` is the spelling of transformers 4; ``rope_parameters``, flat or by
    layer type, that of transformers 5.
    """
    parameters = config.section("rope_parameters")
    scaling = parameters if parameters.data else config.section("rope_scaling")
    full, local = scaling.section("full_attention"), scaling.section("sliding_attention")
    if full.data:
        scaling = full
    theta = scaling.number_or_none("rope_theta")
    if theta is None:
        theta = config.number("rope_theta", "rotary_emb_base", default=default_theta)
    local_theta = local.number_or_none("rope_theta")
    if local_theta is None:
        local_theta = config.number_or_none("rope_local_base_freq")
    kind = scaling.text("rope_type") or scaling.text("type") or "default"
    if kind not in _KINDS:
        raise ConvertError(f"config.json: rope scaling {kind!r} is not supported")
    partial = scaling.number_or_none("partial_rotary_factor")
    if partial is None:
        partial = config.number("partial_rotary_factor", default=1.0)
    if theta <= 0 or not 0 < partial <= 1:
        raise ConvertError("config.json: the rope settings are out of range")
    if "original_max_position_embeddings" not in scaling.data:
        original = config.whole_or_none("original_max_position_embeddings", least=1)
        original = original or config.whole_or_none("max_position_embeddings", least=1)
        scaling = Config({**scaling.data, "original_max_position_embeddings": original})
    return Rope(theta, local_theta, kind, partial, scaling)
