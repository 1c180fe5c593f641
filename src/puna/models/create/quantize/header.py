"""Writes the header of a quantised file: the metadata of its source, byte for byte but for what changes."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from puna.models.create.quantize.mixes import Mix
from puna.models.gguf import GGUFFile
from puna.models.gguf_types import TensorInfo, TensorType, ValueType

_VERSION = 3
_QUANTIZATION_VERSION = 2
_REPLACED = (
    "general.quantization_version",
    "general.file_type",
    "split.no",
    "split.count",
    "split.tensors.count",
)


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """A tensor of the output: where its weights come from, and the type they get."""

    source: TensorInfo
    path: Path
    type: TensorType

    @property
    def nbytes(self) -> int:
        """How many bytes the tensor takes in the output."""
        return self.source.elements // self.type.block_size * self.type.type_size


def write_header(file: BinaryIO, model: GGUFFile, tensors: list[OutputTensor], mix: Mix) -> None:
    """Write everything up to the tensor data. The order of the keys is that of ``llama-quantize``."""
    kept = [span for key, span in model.spans.items() if key not in _REPLACED]
    file.write(b"GGUF" + struct.pack("<IQQ", _VERSION, len(tensors), len(kept) + 2))
    with model.path.open("rb") as source:
        for start, end in kept:
            source.seek(start)
            file.write(source.read(end - start))
    file.write(_whole("general.quantization_version", _QUANTIZATION_VERSION))
    file.write(_whole("general.file_type", mix.number))
    offset = 0
    for tensor in tensors:
        shape = tensor.source.shape
        file.write(_text(tensor.source.name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        file.write(struct.pack("<IQ", tensor.type.id, offset))
        offset += -(-tensor.nbytes // model.alignment) * model.alignment
    file.write(b"\0" * (-file.tell() % model.alignment))


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _whole(key: str, value: int) -> bytes:
    return _text(key) + struct.pack("<II", ValueType.UINT32, value)
