"""ggml's own quantiser, out of the engine's shared library."""

import ctypes
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from puna.errors import PunaError
from puna.models.gguf_types import TensorType

Array = np.ndarray[Any, Any]


class QuantizerMissingError(PunaError):
    """The engine's package is not installed, or does not export ggml's quantiser."""


@cache
def _library() -> ctypes.CDLL:
    # The package is located and not imported: its module starts more than these functions need.
    found = importlib.util.find_spec("xllamacpp")
    places = [] if found is None else list(found.submodule_search_locations or ())
    for place in places:
        for pattern in ("xllamacpp*.so", "xllamacpp*.pyd", "xllamacpp*.dylib"):
            for path in Path(place).glob(pattern):
                return _prepared(path)
    raise QuantizerMissingError("the engine's library was not found")


def _prepared(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    try:
        chunk, validate = library.ggml_quantize_chunk, library.ggml_validate_row_data
    except AttributeError as error:
        raise QuantizerMissingError(f"{path.name} does not export ggml's quantiser: {error}") from None
    pointer, whole = ctypes.c_void_p, ctypes.c_int64
    chunk.argtypes = [ctypes.c_int, pointer, pointer, whole, whole, whole, pointer]
    chunk.restype = ctypes.c_size_t
    validate.argtypes = [ctypes.c_int, pointer, ctypes.c_size_t]
    validate.restype = ctypes.c_bool
    return library


def quantize_rows(weights: Array, kind: TensorType) -> Array | None:
    """Quantise the rows of a float32 matrix; the bytes of the result, or None if they are not sound.

    The weights must be finite: ggml ends the process over some that are not. Other threads run meanwhile.
    """
    library = _library()
    rows, width = weights.shape
    out = np.empty(rows * width // kind.block_size * kind.type_size, np.uint8)
    weights = np.ascontiguousarray(weights, np.float32)
    written = library.ggml_quantize_chunk(kind.id, weights.ctypes.data, out.ctypes.data, 0, rows, width, None)
    sound = written == out.nbytes and library.ggml_validate_row_data(kind.id, out.ctypes.data, out.nbytes)
    return out if sound else None
