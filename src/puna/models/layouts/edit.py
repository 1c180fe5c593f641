"""A GGUF file under change: its metadata, its tensors, and where the bytes of each come from. Nothing is read yet.

A layout's steps work on it; ``translation.py`` makes a file of the result.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from puna.models.gguf import GGUFFile
from puna.models.gguf_types import TENSOR_TYPES, GGUFArray, GGUFError, TensorInfo, TensorType
from puna.models.layouts.values import Array, NewValue, cut_array, encode

_TYPES = {kind.name: kind for kind in TENSOR_TYPES.values()}
F32 = _TYPES["F32"]

Reader = Callable[[int, int], bytes]
"""Returns so many bytes of the file from an offset."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes that are in the file already."""

    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Made:
    """Bytes that are computed when they are written: those of small tensors only."""

    nbytes: int
    make: Callable[[Reader], bytes]


Part = Slice | Made


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the result; ``shape`` is in ggml's order, fastest first."""

    shape: tuple[int, ...]
    type: TensorType
    data: tuple[Part, ...]

    @property
    def nbytes(self) -> int:
        """Return how many bytes its data take."""
        return nbytes_of(self.shape, self.type)


def nbytes_of(shape: Iterable[int], kind: TensorType) -> int:
    """Return how many bytes a tensor of this shape and type takes."""
    elements = 1
    for size in shape:
        elements *= size
    return elements // kind.block_size * kind.type_size


class Edit:
    """The changes to one file. Keys that begin with "." are the architecture's own."""

    def __init__(self, gguf: GGUFFile) -> None:
        self.gguf = gguf
        self._values: dict[str, Any] = dict(gguf.metadata)
        self._raw: dict[str, bytes | tuple[int, int]] = {
            # An entry is the key with its length, then the value with its type.
            key: (start + 8 + len(key.encode()), end)
            for key, (start, end) in gguf.spans.items()
        }
        self.tensors: dict[str, Tensor] = {
            tensor.name: Tensor(tensor.shape, tensor.type, (Slice(tensor.offset, tensor.nbytes),))
            for tensor in sorted(gguf.tensors, key=_offset)
        }

    @property
    def architecture(self) -> str:
        """Return the architecture as it is by now."""
        return str(self._values.get("general.architecture", ""))

    @property
    def keys(self) -> Mapping[str, Any]:
        """Return all values by their keys, in order."""
        return self._values

    def key(self, name: str) -> str:
        """Return the whole key of ``name``."""
        return self.architecture + name if name.startswith(".") else name

    def get(self, name: str) -> Any:
        """Return a value, ``None`` if there is none."""
        return self._values.get(self.key(name))

    def whole(self, name: str) -> int | None:
        """Return a value if it is a whole number."""
        value = self.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def array(self, name: str) -> list[Any]:
        """Return the elements of an array, [] where there is none."""
        value = self.get(name)
        if isinstance(value, GGUFArray):
            return list(value.load())
        return list(value) if isinstance(value, tuple) else []

    def set(self, name: str, value: NewValue) -> None:
        """Give a key a value, whatever it had before."""
        key = self.key(name)
        self._values[key] = value.items if isinstance(value, Array) else value
        self._raw[key] = encode(value)

    def copy(self, source: str, target: str) -> None:
        """Give ``target`` the value of ``source``, with its type, unless it has one of its own."""
        old, new = self.key(source), self.key(target)
        if old in self._values and new not in self._values:
            self._values[new], self._raw[new] = self._values[old], self._raw[old]

    def drop(self, name: str) -> None:
        """Remove a key."""
        key = self.key(name)
        self._values.pop(key, None)
        self._raw.pop(key, None)

    def rename_architecture(self, name: str) -> None:
        """Call the architecture, and with it its own keys, by another name."""
        old = self.architecture + "."
        for table in (self._values, self._raw):
            items = list(table.items())
            table.clear()
            for key, item in items:
                table[name + "." + key[len(old) :] if key.startswith(old) else key] = item
        self.set("general.architecture", name)

    def cut(self, name: str, length: int) -> None:
        """Keep the first ``length`` elements of an array only."""
        key = self.key(name)
        if key in self._values:
            self._raw[key] = cut_array(self.raw(key), length)
            self._values[key] = tuple(self.array(key)[:length])

    def raw(self, key: str) -> bytes:
        """Return the value of a key as it is written, its type before it."""
        raw = self._raw[key]
        if isinstance(raw, bytes):
            return raw
        start, end = raw
        with self.gguf.path.open("rb") as file:
            return read_exactly(file.fileno(), start, end - start)

    def rename(self, old: str, new: str) -> None:
        """Call a tensor by another name, if it is there and the name is free."""
        if old in self.tensors and new not in self.tensors:
            self.tensors = {new if name == old else name: tensor for name, tensor in self.tensors.items()}

    def hide(self, hidden: Callable[[str], bool]) -> None:
        """Leave out the tensors whose names are ``hidden``."""
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if not hidden(name)}

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a tensor, ``None`` if it is not there."""
        tensor = self.tensors.get(name)
        return tensor.shape if tensor else None

    def compute(
        self, name: str, sources: tuple[str, ...], shape: tuple[int, ...], make: "Callable[[list[Any]], Any]"
    ) -> None:
        """Make the tensor ``name`` of F32 numbers out of others: ``make`` gets these as arrays in NumPy's order."""
        tensors = [self.tensors[source] for source in sources]
        nbytes = nbytes_of(shape, F32)

        def made(read: Reader) -> bytes:
            data: bytes = make([_numbers(tensor, read) for tensor in tensors]).astype("<f4").tobytes()
            if len(data) != nbytes:
                raise GGUFError(f"tensor {name!r} cannot be made of {', '.join(sources)}")
            return data

        self.tensors[name] = Tensor(shape, F32, (Made(nbytes, made),))

    def reorder(self, name: str, order: Callable[[Any], Any]) -> None:
        """Reorder a matrix's rows: ``order`` gets them as an array of bytes, one row a line, and returns them."""
        tensor = self.tensors[name]

        def made(read: Reader) -> bytes:
            import numpy as np

            data: bytes = order(np.frombuffer(_bytes(tensor, read), np.uint8).reshape(tensor.shape[-1], -1)).tobytes()
            return data

        self.tensors[name] = replace(tensor, data=(Made(tensor.nbytes, made),))

    def join(self, name: str, sources: tuple[str, ...], *, as_f32: bool = False) -> None:
        """Put tensors that differ in their last dimension only one after the other, in the first one's place."""
        tensors = [self.tensors[source] for source in sources]
        first = tensors[0]
        if any(tensor.shape[:-1] != first.shape[:-1] for tensor in tensors):
            raise GGUFError(f"the shapes of {', '.join(sources)} do not fit together")
        shape = (*first.shape[:-1], sum(tensor.shape[-1] for tensor in tensors))
        if not as_f32 and all(tensor.type == first.type for tensor in tensors):
            joined = Tensor(shape, first.type, tuple(part for tensor in tensors for part in tensor.data))
        else:
            self.compute(name, sources, shape, _concatenated)
            joined = self.tensors.pop(name)
        self.tensors = {
            name if key == sources[0] else key: joined if key == sources[0] else tensor
            for key, tensor in self.tensors.items()
            if key not in sources[1:]
        }

    def stack(self, name: str, sources: tuple[str, ...]) -> None:
        """Make one tensor, in the first one's place, of matrices that are alike: one more dimension counts them."""
        tensors = [self.tensors[source] for source in sources]
        first = tensors[0]
        if any((tensor.shape, tensor.type) != (first.shape, first.type) for tensor in tensors):
            raise GGUFError(f"{', '.join(sources[:2])} and others like them differ in shape or type")
        data = tuple(part for tensor in tensors for part in tensor.data)
        stacked = Tensor((*first.shape, len(tensors)), first.type, data)
        self.tensors = {
            name if key == sources[0] else key: stacked if key == sources[0] else tensor
            for key, tensor in self.tensors.items()
            if key not in sources[1:]
        }

    def first_rows(self, name: str, rows: int) -> None:
        """Keep the first rows of a matrix that lies in the file."""
        tensor = self.tensors.get(name)
        if tensor and len(tensor.shape) == 2 and tensor.shape[1] > rows and isinstance(tensor.data[0], Slice):
            shape = (tensor.shape[0], rows)
            data = (Slice(tensor.data[0].offset, nbytes_of(shape, tensor.type)),)
            self.tensors[name] = replace(tensor, shape=shape, data=data)


def read_exactly(fd: int, offset: int, nbytes: int) -> bytes:
    """Return bytes of an open file; raise ``GGUFError`` if it has become shorter than its header says."""
    data = os.pread(fd, nbytes, offset)
    if len(data) != nbytes:
        raise GGUFError("the file ends inside its data")
    return data


def _bytes(tensor: Tensor, read: Reader) -> bytes:
    parts = (read(part.offset, part.nbytes) if isinstance(part, Slice) else part.make(read) for part in tensor.data)
    return b"".join(parts)


def _offset(tensor: TensorInfo) -> int:
    return tensor.offset


def _numbers(tensor: Tensor, read: Reader) -> Any:
    """Return a tensor's weights as F32, in NumPy's order: the last axis is ggml's first."""
    import numpy as np  # for those few tensors that are computed
    from gguf import GGMLQuantizationType, quants

    raw = _bytes(tensor, read)
    kind = GGMLQuantizationType(tensor.type.id)
    numbers = quants.dequantize(np.frombuffer(raw, np.uint8).reshape(-1, len(raw)), kind)
    return numbers.reshape(tensor.shape[::-1])


def _concatenated(arrays: list[Any]) -> Any:
    import numpy as np

    return np.concatenate(arrays)
