"""Reads safetensors files and sharded checkpoints without believing what they say.

The format is that of github.com/huggingface/safetensors: eight bytes of header length, a JSON header, and the
data, which the tensors must cover without gaps or overlaps.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from puna.errors import BadRequestError

MAX_HEADER = 8 * 2**20
MAX_INDEX = 16 * 2**20
MAX_DIMENSIONS = 8
INDEX_NAME = "model.safetensors.index.json"

SIZES: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
FLOATS: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # NumPy has no bfloat16: the bits are carried as they are
}

_SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,200}\.safetensors")


class SafetensorsError(BadRequestError):
    """A safetensors file is damaged, truncated, or says something that cannot be true."""


@dataclass(frozen=True, slots=True)
class SourceTensor:
    """One tensor of a checkpoint.

    ``shape`` is in PyTorch's order, ``offset`` counts from the file's start.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int
    nbytes: int

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return self.nbytes // SIZES[self.dtype]

    @property
    def row_elements(self) -> int:
        """How many elements lie under one index of the first dimension."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) if len(self.shape) > 1 else 1

    def rows(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Read rows ``start`` to ``stop`` of a floating-point tensor (BF16 as its bits in uint16)."""
        kind = FLOATS.get(self.dtype)
        if kind is None:
            raise SafetensorsError(f"tensor {self.name!r} has the type {self.dtype}, which cannot be converted")
        width = self.row_elements
        count = (stop - start) * width
        with self.path.open("rb") as file:
            file.seek(self.offset + start * width * kind.itemsize)
            data = np.fromfile(file, kind, count)
        if len(data) != count:
            raise SafetensorsError(f"{self.path.name}: the file ends inside tensor {self.name!r}")
        return data.reshape(stop - start, *self.shape[1:]) if self.shape else data


def read_safetensors(path: Path) -> dict[str, SourceTensor]:
    """The tensors of one file by name. Raises :class:`SafetensorsError` naming the file and the reason."""
    try:
        return _read_header(path)
    except SafetensorsError as error:
        raise SafetensorsError(f"{path.name}: {error}") from None


def _read_header(path: Path) -> dict[str, SourceTensor]:
    if not path.is_file():
        raise SafetensorsError("no such file")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        prefix = file.read(8)
        if len(prefix) != 8:
            raise SafetensorsError("the file is shorter than a header")
        length = struct.unpack("<Q", prefix)[0]
        if length > MAX_HEADER or length + 8 > size:
            raise SafetensorsError(f"the header claims {length} bytes")
        raw = file.read(length)
    header = _json_object(raw, "the header")
    header.pop("__metadata__", None)
    data_start = 8 + length
    tensors = {name: _tensor(name, entry, path, data_start) for name, entry in header.items()}
    end = data_start
    for tensor in sorted(tensors.values(), key=lambda item: (item.offset, item.nbytes)):
        if tensor.offset != end:
            raise SafetensorsError(f"tensor {tensor.name!r} starts at byte {tensor.offset}, not at {end}")
        end += tensor.nbytes
    if end != size:
        raise SafetensorsError(f"the tensors end at byte {end}, but the file has {size} bytes")
    return tensors


def _json_object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise SafetensorsError(f"{what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise SafetensorsError(f"{what} is not a JSON object")
    return value


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _tensor(name: str, entry: object, path: Path, data_start: int) -> SourceTensor:
    if not isinstance(entry, dict):
        raise SafetensorsError(f"tensor {name!r} is not described by an object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in SIZES:
        raise SafetensorsError(f"tensor {name!r} has the unknown type {dtype!r}")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(_whole(item) for item in shape):
        raise SafetensorsError(f"tensor {name!r} has no usable shape")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_whole(item) for item in offsets):
        raise SafetensorsError(f"tensor {name!r} has no usable data_offsets")
    elements = 1
    for item in shape:
        elements *= item
    start, stop = offsets
    if stop - start != elements * SIZES[dtype]:
        raise SafetensorsError(f"tensor {name!r} takes {stop - start} bytes, which does not fit its shape {shape}")
    return SourceTensor(name, dtype, tuple(shape), path, data_start + start, stop - start)


class Checkpoint:
    """All tensors of a model that lies in one or more safetensors files of a directory."""

    def __init__(self, directory: Path) -> None:
        """Open ``directory``.

        Raises :class:`SafetensorsError` for missing, damaged or contradictory files.
        """
        self.directory = directory
        self._tensors: dict[str, SourceTensor] = {}
        wanted = self._index(directory / INDEX_NAME)
        for name in sorted(set(wanted.values())) if wanted else _model_files(directory):
            self._add(read_safetensors(directory / name))
        missing = [name for name in wanted if name not in self._tensors]
        if missing:
            raise SafetensorsError(f"{INDEX_NAME}: tensor {missing[0]!r} is in none of its files")

    def __iter__(self) -> Iterator[SourceTensor]:
        return iter(self._tensors.values())

    def __len__(self) -> int:
        return len(self._tensors)

    def get(self, name: str) -> SourceTensor | None:
        """The tensor of this name."""
        return self._tensors.get(name)

    def _add(self, tensors: Mapping[str, SourceTensor]) -> None:
        for name, tensor in tensors.items():
            if name in self._tensors:
                raise SafetensorsError(f"tensor {name!r} is in more than one file")
            self._tensors[name] = tensor

    def _index(self, path: Path) -> dict[str, str]:
        if not path.is_file():
            return {}
        if path.stat().st_size > MAX_INDEX:
            raise SafetensorsError(f"{path.name} is larger than {MAX_INDEX // 2**20} MiB")
        weight_map = _json_object(path.read_bytes(), path.name).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise SafetensorsError(f"{path.name} has no weight_map")
        for name in set(map(str, weight_map.values())):
            # A plain file name only: an index must not make the converter read from anywhere else.
            if not _SHARD_NAME.fullmatch(name):
                raise SafetensorsError(f"{path.name} names the file {name[:200]!r}")
        return weight_map


def _model_files(directory: Path) -> list[str]:
    names = sorted(path.name for path in directory.glob("*.safetensors") if _SHARD_NAME.fullmatch(path.name))
    # Repositories often carry the same weights twice: as a whole for other programs, and in Hugging Face's
    # names.
    preferred = [name for name in names if name.startswith("model")]
    if not names:
        raise SafetensorsError(f"{directory.name}: no safetensors files")
    return preferred or names
