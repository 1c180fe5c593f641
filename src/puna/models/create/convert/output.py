"""Writes a GGUF file whose tensors are read, converted and written piece by piece."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from puna.models.create.convert.numbers import WIDTHS, Array, convert_array, to_float32
from puna.models.create.progress import Meter
from puna.models.create.safetensors import SIZES, SourceTensor
from puna.models.gguf import read_gguf

PIECE_BYTES = 32 * 2**20
_TYPES = {
    "F32": gguf.GGMLQuantizationType.F32,
    "F16": gguf.GGMLQuantizationType.F16,
    "BF16": gguf.GGMLQuantizationType.BF16,
}


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a tensor on its way: rows are reordered, a number is added, the matrix is turned."""

    order: Array | None = None
    add: float = 0.0
    transpose: bool = False


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    """A tensor of the output: where it comes from, what happens to it, and the type it is written in."""

    name: str
    target: str
    source: SourceTensor | None = None
    change: Change = field(default_factory=Change)
    values: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in PyTorch's order."""
        if self.source is None:
            return self.values.shape if self.values is not None else ()
        return self.source.shape[::-1] if self.change.transpose else self.source.shape

    @property
    def nbytes(self) -> int:
        """How many bytes the tensor takes in the output."""
        return int(np.prod(self.shape, dtype=np.int64)) * WIDTHS[self.target]

    def pieces(self) -> Iterator[Array]:
        """The tensor's data in order, in pieces of about ``PIECE_BYTES``."""
        if self.source is None:
            if self.values is not None:
                yield convert_array(np.ascontiguousarray(self.values), "F32", self.target)
            return
        if self.change.order is None and not self.change.transpose:
            for start, stop in _spans(self.source):
                yield self._convert(self.source.rows(start, stop))
            return
        data = self.source.rows(0, self.source.shape[0])
        if self.change.order is None:
            yield self._convert(np.ascontiguousarray(data.T))
            return
        for start, stop in _spans(self.source):
            yield self._convert(data[self.change.order[start:stop]])

    def _convert(self, data: Array) -> Array:
        dtype = self.source.dtype if self.source is not None else "F32"
        if self.change.add:
            return convert_array(to_float32(data, dtype) + np.float32(self.change.add), "F32", self.target)
        return convert_array(data, dtype, self.target)


def _spans(source: SourceTensor) -> Iterator[tuple[int, int]]:
    """Rows from and to of each piece."""
    step = max(1, PIECE_BYTES // max(1, source.row_elements * 4))
    for start in range(0, source.shape[0], step):
        yield start, min(start + step, source.shape[0])


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path next to ``path`` to write to.

    It takes the name at the end, and is gone if anything goes wrong.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_gguf(writer: gguf.GGUFWriter, path: Path, tensors: list[PlannedTensor], meter: Meter) -> None:
    """Write the header that ``writer`` has gathered and stream ``tensors`` behind it, to ``path``.

    Raises :class:`~puna.models.gguf.GGUFError` when the result contradicts itself.
    """
    for tensor in tensors:
        writer.add_tensor_info(
            tensor.name, tensor.shape, np.dtype(np.float32), tensor.nbytes, raw_dtype=_TYPES[tensor.target]
        )
    alignment = writer.data_alignment
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    finally:
        writer.close()
    with path.open("ab") as file:
        _pad(file, alignment)
        for tensor in tensors:
            for piece in tensor.pieces():
                file.write(np.ascontiguousarray(piece).data.cast("B"))
                meter.advance(_read_bytes(tensor, piece))
            _pad(file, alignment)
    read_gguf(path)  # what a configuration says wrongly of its tensors is found before anybody gets the file


def _pad(file: Any, alignment: int) -> None:
    file.write(b"\0" * (-file.tell() % alignment))


def _read_bytes(tensor: PlannedTensor, piece: Array) -> int:
    """How much of its source a piece of the output stands for."""
    return 0 if tensor.source is None else piece.size * SIZES[tensor.source.dtype]
