"""The value and tensor types of GGUF, as numbers, names and sizes.

The numbers are those of ``ggml.h`` and ``gguf.h``. They are repeated here, and not imported from the ``gguf``
package, because importing that package costs more time than reading a header.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from puna.errors import BadRequestError


class GGUFError(BadRequestError):
    """A GGUF file is damaged, truncated, or says something that cannot be true."""


class ValueType(IntEnum):
    """The type of one metadata value."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


SCALAR_CODES: Mapping[int, str] = {
    ValueType.UINT8: "B",
    ValueType.INT8: "b",
    ValueType.UINT16: "H",
    ValueType.INT16: "h",
    ValueType.UINT32: "I",
    ValueType.INT32: "i",
    ValueType.FLOAT32: "f",
    ValueType.BOOL: "?",
    ValueType.UINT64: "Q",
    ValueType.INT64: "q",
    ValueType.FLOAT64: "d",
}
"""The ``struct`` code of each value type that has a fixed size."""

SCALAR_SIZES: Mapping[int, int] = {kind: struct.calcsize("<" + code) for kind, code in SCALAR_CODES.items()}


@dataclass(frozen=True, slots=True)
class TensorType:
    """One ggml tensor type: rows are stored in blocks of ``block_size`` elements and ``type_size`` bytes."""

    id: int
    name: str
    block_size: int
    type_size: int


TENSOR_TYPES: Mapping[int, TensorType] = {
    number: TensorType(number, name, block_size, type_size)
    for number, name, block_size, type_size in (
        (0, "F32", 1, 4),
        (1, "F16", 1, 2),
        (2, "Q4_0", 32, 18),
        (3, "Q4_1", 32, 20),
        (4, "MXFP4_OLD", 32, 17),
        (6, "Q5_0", 32, 22),
        (7, "Q5_1", 32, 24),
        (8, "Q8_0", 32, 34),
        (9, "Q8_1", 32, 36),
        (10, "Q2_K", 256, 84),
        (11, "Q3_K", 256, 110),
        (12, "Q4_K", 256, 144),
        (13, "Q5_K", 256, 176),
        (14, "Q6_K", 256, 210),
        (15, "Q8_K", 256, 292),
        (16, "IQ2_XXS", 256, 66),
        (17, "IQ2_XS", 256, 74),
        (18, "IQ3_XXS", 256, 98),
        (19, "IQ1_S", 256, 50),
        (20, "IQ4_NL", 32, 18),
        (21, "IQ3_S", 256, 110),
        (22, "IQ2_S", 256, 82),
        (23, "IQ4_XS", 256, 136),
        (24, "I8", 1, 1),
        (25, "I16", 1, 2),
        (26, "I32", 1, 4),
        (27, "I64", 1, 8),
        (28, "F64", 1, 8),
        (29, "IQ1_M", 256, 56),
        (30, "BF16", 1, 2),
        (34, "TQ1_0", 256, 54),
        (35, "TQ2_0", 256, 66),
        (39, "MXFP4", 32, 17),
        (40, "NVFP4", 64, 36),
        (41, "Q1_0", 128, 18),
        (42, "Q2_0", 64, 18),
    )
}

DROPPED_TYPES = frozenset([4])
"""Types that files had once and no engine reads any more: Ollama's first number for MXFP4, in another order."""

FILE_TYPES: Mapping[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    4: "MXFP4",  # Ollama's own conversions of gpt-oss
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4",
    39: "NVFP4",
    40: "Q1_0",
    41: "Q2_0",
}
"""``general.file_type`` to the name that users know the mix by (``enum llama_ftype``)."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where one tensor lies.

    ``shape`` is in ggml's order (fastest first); ``offset`` counts from the start of the file.
    """

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int
    nbytes: int

    @property
    def elements(self) -> int:
        """How many weights the tensor holds."""
        count = 1
        for size in self.shape:
            count *= size
        return count


Scalar = bool | int | float


@dataclass(frozen=True, slots=True)
class GGUFArray:
    """A long array that stays in the file until :meth:`load` is called."""

    path: Path
    element_type: ValueType
    length: int
    offset: int
    nbytes: int

    def __len__(self) -> int:
        return self.length

    def load(self) -> list[Scalar] | list[str]:
        """Read the elements. Raises :class:`GGUFError` when the file has shrunk since its header was read."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.nbytes)
        if len(data) != self.nbytes:
            raise GGUFError(f"{self.path.name}: the file ends inside an array")
        if self.element_type == ValueType.STRING:
            return unpack_strings(data, 0, self.length)
        return unpack_scalars(data, 0, self.element_type, self.length)


def unpack_scalars(data: bytes | bytearray, position: int, kind: int, count: int) -> list[Scalar]:
    """Decode ``count`` fixed-size values; the caller has checked that they are all there."""
    return list(struct.unpack_from(f"<{count}{SCALAR_CODES[kind]}", data, position))


def unpack_strings(data: bytes | bytearray, position: int, count: int) -> list[str]:
    """Decode ``count`` length-prefixed strings. Tokens may hold half a character, so errors are replaced."""
    strings = []
    unpack_length = struct.Struct("<Q").unpack_from
    for _ in range(count):
        if position + 8 > len(data):
            raise GGUFError("the file changed while it was read")
        start = position + 8
        position = start + unpack_length(data, position)[0]
        strings.append(data[start:position].decode("utf-8", "replace"))
    return strings
