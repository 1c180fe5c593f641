"""Smaller weights: GGUF files with F32, F16 or BF16 weights into llama.cpp's quantised types."""

from puna.models.create.quantize.driver import quantize
from puna.models.create.quantize.errors import QuantizeError
from puna.models.create.quantize.mixes import MIXES, Mix, find_mix

__all__ = ["MIXES", "Mix", "QuantizeError", "find_mix", "quantize"]
