"""Bounded parsing of a GGUF header: nothing is believed, and no memory is taken on a file's word alone.

The file is read forward in growing pieces and never mapped, so that a file that is truncated meanwhile gives
an error and not a bus error. The layout is that of ``docs/gguf.md`` in ggml-org/ggml; limits that ggml itself
has (``GGML_MAX_NAME``, ``GGML_MAX_DIMS``, no arrays of arrays) are enforced here before ggml would meet them.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from puna.models.gguf_types import (
    SCALAR_CODES,
    SCALAR_SIZES,
    TENSOR_TYPES,
    GGUFArray,
    GGUFError,
    Scalar,
    TensorInfo,
    ValueType,
    unpack_scalars,
    unpack_strings,
)

MAX_HEADER = 96 * 2**20
MAX_KEYS = 16_384
MAX_TENSORS = 65_536
MAX_KEY_LENGTH = 65_535
MAX_NAME_LENGTH = 63
MAX_DIMENSIONS = 4
MAX_ARRAY_STRINGS = 2 * 2**20
MAX_TEXT = 16 * 2**20
EAGER_LENGTH = 1024
MAX_EAGER_ELEMENTS = 65_536
DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 2**20

MetadataValue = Scalar | str | tuple[Scalar, ...] | tuple[str, ...] | GGUFArray

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_FIRST_READ = 2**20


@dataclass(slots=True)
class Header:
    """What a GGUF file says before its tensor data. ``spans`` gives the bytes of each key with its value."""

    version: int
    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    tensors: tuple[TensorInfo, ...] = ()
    alignment: int = DEFAULT_ALIGNMENT
    data_offset: int = 0


class HeaderReader:
    """One pass over the header of an open file of ``size`` bytes."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self._file = file
        self._path = path
        self._size = size
        self._data = bytearray()
        self._position = 0
        self._text_left = MAX_TEXT
        self._eager_left = MAX_EAGER_ELEMENTS
        self._strings_left = MAX_ARRAY_STRINGS

    def read(self) -> Header:
        """Parse everything up to the tensor data. Raises :class:`GGUFError`."""
        header = Header(self._version())
        tensor_count = self._u64()
        key_count = self._u64()
        if key_count > MAX_KEYS or key_count * 13 > self._size:
            raise GGUFError(f"the header claims {key_count} metadata keys")
        if tensor_count > MAX_TENSORS or tensor_count * 24 > self._size:
            raise GGUFError(f"the header claims {tensor_count} tensors")
        for _ in range(key_count):
            self._key_value(header)
        header.alignment = self._alignment(header)
        self._tensors(header, tensor_count)
        return header

    def _need(self, count: int) -> int:
        """Make ``count`` more bytes available and return where they start."""
        start = self._position
        end = start + count
        if end > self._size:
            raise GGUFError(f"the file ends inside its header (at byte {self._size})")
        if end > MAX_HEADER:
            raise GGUFError(f"the header is larger than {MAX_HEADER // 2**20} MiB")
        if end > len(self._data):
            wanted = max(end, min(2 * len(self._data), MAX_HEADER), _FIRST_READ)
            self._data += self._file.read(wanted - len(self._data))
            if end > len(self._data):
                raise GGUFError("the file became shorter while it was read")
        self._position = end
        return start

    def _u32(self) -> int:
        return int(_U32.unpack_from(self._data, self._need(4))[0])

    def _u64(self) -> int:
        return int(_U64.unpack_from(self._data, self._need(8))[0])

    def _version(self) -> int:
        start = self._need(4)
        magic = bytes(self._data[start : start + 4])
        if magic != b"GGUF":
            raise GGUFError(f"not a GGUF file (it starts with {magic!r})")
        version = self._u32()
        if version and not version & 0xFFFF:
            raise GGUFError("big-endian GGUF files are not supported")
        if version not in (2, 3):
            raise GGUFError(f"GGUF version {version} is not supported (only 2 and 3 are)")
        return version

    def _text(self, limit: int, what: str) -> bytes:
        length = self._u64()
        if length > limit:
            raise GGUFError(f"{what} is {length} bytes long (at most {limit} are allowed)")
        start = self._need(length)
        return bytes(self._data[start : start + length])

    def _name(self, limit: int, what: str) -> str:
        raw = self._text(limit, what)
        if not raw:
            raise GGUFError(f"{what} is empty")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise GGUFError(f"{what} is not UTF-8: {raw[:80]!r}") from None

    def _key_value(self, header: Header) -> None:
        start = self._position
        key = self._name(MAX_KEY_LENGTH, "a metadata key")
        if key in header.metadata:
            raise GGUFError(f"the metadata key {key[:80]!r} appears twice")
        kind = self._u32()
        if kind == ValueType.ARRAY:
            header.metadata[key] = self._array(key)
        elif kind == ValueType.STRING:
            raw = self._text(self._text_left, f"the value of {key[:80]!r}")
            self._text_left -= len(raw)
            header.metadata[key] = raw.decode("utf-8", "replace")
        elif kind in SCALAR_CODES:
            at = self._need(SCALAR_SIZES[kind])
            header.metadata[key] = unpack_scalars(self._data, at, kind, 1)[0]
        else:
            raise GGUFError(f"the metadata key {key[:80]!r} has the unknown type {kind}")
        header.spans[key] = (start, self._position)

    def _array(self, key: str) -> MetadataValue:
        kind = self._u32()
        length = self._u64()
        start = self._position
        if kind == ValueType.STRING:
            self._skip_strings(key, length)
        elif kind in SCALAR_CODES:
            self._need(length * SCALAR_SIZES[kind])
        elif kind == ValueType.ARRAY:
            raise GGUFError(f"the metadata key {key[:80]!r} holds arrays inside an array")
        else:
            raise GGUFError(f"the metadata key {key[:80]!r} has elements of the unknown type {kind}")
        nbytes = self._position - start
        is_text = kind == ValueType.STRING
        if length > min(EAGER_LENGTH, self._eager_left) or (is_text and nbytes > self._text_left):
            return GGUFArray(self._path, ValueType(kind), length, start, nbytes)
        self._eager_left -= length
        if is_text:
            self._text_left -= nbytes
            return tuple(unpack_strings(self._data, start, length))
        return tuple(unpack_scalars(self._data, start, kind, length))

    def _skip_strings(self, key: str, count: int) -> None:
        """Move behind ``count`` strings. This loop is where a vocabulary's reading time goes."""
        if count > self._strings_left or count * 8 > self._size - self._position:
            raise GGUFError(f"the metadata key {key[:80]!r} claims {count} strings")
        self._strings_left -= count
        unpack_length = _U64.unpack_from
        data = self._data
        position = self._position
        while count:
            try:
                while count:
                    position += 8 + unpack_length(data, position)[0]
                    count -= 1
            except (struct.error, OverflowError):  # the next length is not among the bytes read so far
                self._position = position
                position = self._need(8)
        self._position = position
        self._need(0)

    def _alignment(self, header: Header) -> int:
        value = header.metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(value, int) or isinstance(value, bool):
            raise GGUFError("general.alignment is not a whole number")
        if value <= 0 or value & (value - 1) or value > MAX_ALIGNMENT:
            raise GGUFError(f"general.alignment is {value}, which is not a usable power of two")
        return value

    def _tensors(self, header: Header, count: int) -> None:
        parsed = [self._tensor(header.alignment) for _ in range(count)]
        data_offset = -(-self._position // header.alignment) * header.alignment
        # A file without tensors may end without the padding.
        header.data_offset = min(data_offset, self._size) if not parsed else data_offset
        header.tensors = tuple(
            TensorInfo(item.name, item.shape, item.type, item.offset + data_offset, item.nbytes) for item in parsed
        )
        self._check_layout(header)

    def _tensor(self, alignment: int) -> TensorInfo:
        name = self._name(MAX_NAME_LENGTH, "a tensor name")
        dimensions = self._u32()
        if dimensions > MAX_DIMENSIONS:
            raise GGUFError(f"tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._u64() for _ in range(dimensions))
        type_id = self._u32()
        offset = self._u64()
        if type_id not in TENSOR_TYPES:
            raise GGUFError(f"tensor {name!r} has the unknown type {type_id}")
        if 0 in shape:
            raise GGUFError(f"tensor {name!r} has a dimension of 0")
        if offset % alignment:
            raise GGUFError(f"tensor {name!r} is not aligned to {alignment} bytes")
        kind = TENSOR_TYPES[type_id]
        elements = 1
        for size in shape:
            elements *= size
        if (shape[0] if shape else 1) % kind.block_size:
            raise GGUFError(f"tensor {name!r}: rows of {shape} do not fill the blocks of {kind.name}")
        return TensorInfo(name, shape, kind, offset, elements // kind.block_size * kind.type_size)

    def _check_layout(self, header: Header) -> None:
        """No tensor may reach out of the file, share bytes with another one, or take its name."""
        names = set()
        end, previous = header.data_offset, ""
        for tensor in sorted(header.tensors, key=lambda item: item.offset):
            if tensor.name in names:
                raise GGUFError(f"tensor {tensor.name!r} appears twice")
            names.add(tensor.name)
            if tensor.offset < end:
                raise GGUFError(f"tensor {tensor.name!r} overlaps {previous!r}")
            end, previous = tensor.offset + tensor.nbytes, tensor.name
            if end > self._size:
                raise GGUFError(f"tensor {tensor.name!r} ends at byte {end}, but the file has only {self._size} bytes")
