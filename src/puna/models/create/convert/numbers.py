"""Floating-point tensors from one width to another, bfloat16 as its bits in uint16."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}


def to_float32(data: Array, dtype: str) -> Array:
    """Widen (or from F64 narrow) to float32; ``dtype`` names what ``data`` holds."""
    if dtype == "BF16":
        wide = data.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    return data.astype(np.float32, copy=False)


def to_bfloat16(data: Array) -> Array:
    """Round float32 to the nearest bfloat16, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(data, np.float32).view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    quiet = ((bits >> 16) | 0x40).astype(np.uint16)
    return np.where(np.isnan(data), quiet, rounded)


def convert_array(data: Array, source: str, target: str) -> Array:
    """``data`` of type ``source`` as ``target``; all names are those of safetensors."""
    if source == target:
        return data
    wide = to_float32(data, source)
    if target == "F32":
        return wide
    if target == "BF16":
        return to_bfloat16(wide)
    with np.errstate(over="ignore"):  # beyond the range of float16 there is only infinity
        return wide.astype(np.float16)
