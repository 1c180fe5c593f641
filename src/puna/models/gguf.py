"""Reads the header of a GGUF file fast enough for listing, and safely enough for files from strangers."""

import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from puna.models.gguf_checks import check_fields
from puna.models.gguf_header import HeaderReader, MetadataValue
from puna.models.gguf_types import (
    FILE_TYPES,
    TENSOR_TYPES,
    GGUFArray,
    GGUFError,
    Scalar,
    TensorInfo,
    TensorType,
    ValueType,
)

__all__ = [
    "GGUFArray",
    "GGUFError",
    "GGUFFile",
    "MetadataValue",
    "Scalar",
    "TensorInfo",
    "TensorType",
    "ValueType",
    "kept_gguf",
    "kv_cache_bytes_per_token",
    "read_gguf",
]

_LARGEST_KEPT = 64 << 20
_State = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class GGUFFile:
    """The header of one GGUF file, checked against the file's size.

    Arrays of up to 1,024 elements are tuples in ``metadata``; longer ones are :class:`GGUFArray` and stay on
    disk.
    ``spans`` maps each key to the bytes (start, end) of its whole entry, for copying it unchanged.
    """

    path: Path
    version: int
    metadata: Mapping[str, MetadataValue]
    spans: Mapping[str, tuple[int, int]]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int
    file_size: int

    @property
    def architecture(self) -> str:
        """``general.architecture``; empty for the later shards of a split model."""
        return self.text("general.architecture") or ""

    @property
    def kind(self) -> str:
        """``general.type``: ``model`` unless the file says ``adapter``, ``mmproj`` or another word."""
        return self.text("general.type") or "model"

    @property
    def parameter_count(self) -> int:
        """How many weights the file holds."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def file_type(self) -> str | None:
        """The mix as users name it (``Q4_K_M``); the commonest matrix type where the file does not say."""
        number = self.metadata.get("general.file_type")
        if isinstance(number, int) and number in FILE_TYPES:
            return FILE_TYPES[number]
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            sizes[tensor.type.name] += tensor.elements
        return sizes.most_common(1)[0][0] if sizes else None

    @property
    def context_length(self) -> int | None:
        """The context that the model was trained for."""
        return self.whole(f"{self.architecture}.context_length")

    @property
    def embedding_length(self) -> int | None:
        """The width of the residual stream."""
        return self.whole(f"{self.architecture}.embedding_length")

    @property
    def vocabulary_size(self) -> int:
        """How many tokens the model knows: the rows of its embedding; 0 where the file has none."""
        return next((tensor.shape[-1] for tensor in self.tensors if tensor.name == "token_embd.weight"), 0)

    @property
    def block_count(self) -> int | None:
        """How many layers the model has."""
        return self.whole(f"{self.architecture}.block_count")

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Attention heads of each block; empty where the file does not say."""
        return self._per_block(f"{self.architecture}.attention.head_count")

    @property
    def head_counts_kv(self) -> tuple[int, ...]:
        """Key and value heads of each block; those of ``head_counts`` where the file does not say."""
        return self._per_block(f"{self.architecture}.attention.head_count_kv") or self.head_counts

    @property
    def embeds(self) -> bool:
        """Whether the model was made to embed text, and does not generate any."""
        return f"{self.architecture}.pooling_type" in self.metadata

    @property
    def chat_template(self) -> str | None:
        """The model's own Jinja chat template."""
        return self.text("tokenizer.chat_template")

    def text(self, key: str) -> str | None:
        """The value of ``key`` if it is a string."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def whole(self, key: str) -> int | None:
        """The value of ``key`` if it is a whole number."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def _per_block(self, key: str) -> tuple[int, ...]:
        value = self.metadata.get(key)
        if isinstance(value, tuple):
            return tuple(item for item in value if isinstance(item, int))
        number = self.whole(key)
        return () if number is None else (number,) * (self.block_count or 0)


def read_gguf(path: Path) -> GGUFFile:
    """Read and check the header of ``path``.

    Raises :class:`GGUFError`, naming the file and the reason, for a file that is not GGUF, is truncated or
    lies; and :class:`OSError` if it cannot be read. Memory stays under 200 MB for the worst of files.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise GGUFError("not a regular file")
        with path.open("rb", buffering=0) as file:
            size = file.seek(0, 2)
            file.seek(0)
            header = HeaderReader(file, path, size).read()
        check_fields(header.metadata, header.tensors)
    except GGUFError as error:
        raise GGUFError(f"{path.name}: {error}") from None
    return GGUFFile(
        path=path,
        version=header.version,
        metadata=header.metadata,
        spans=header.spans,
        tensors=header.tensors,
        alignment=header.alignment,
        data_offset=header.data_offset,
        file_size=size,
    )


def kept_gguf(path: Path) -> GGUFFile:
    """Return what ``read_gguf`` does, which takes a fifth of a load: remembered for a few files until they change."""
    found = path.stat()
    return _kept(path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)) or read_gguf(path)


@lru_cache(maxsize=4)
def _kept(path: Path, _: _State) -> GGUFFile | None:
    """Return a header, ``None`` if it is too large to be kept in memory."""
    header = read_gguf(path)
    return header if header.data_offset <= _LARGEST_KEPT else None


def kv_cache_bytes_per_token(gguf: GGUFFile, kv_type: str = "f16") -> int:
    """How many bytes of key-value cache one token takes, all layers together.

    An upper bound: layers with a sliding window keep fewer tokens than the context. Encoders
    (``attention.causal`` false) keep no cache. Raises :class:`GGUFError` for an unknown ``kv_type``.
    """
    kind = next((item for item in TENSOR_TYPES.values() if item.name == kv_type.upper()), None)
    if kind is None:
        raise GGUFError(f"unknown cache type {kv_type!r}")
    prefix = f"{gguf.architecture}.attention."
    if gguf.metadata.get(prefix + "causal") is False:
        return 0
    heads = max(gguf.head_counts, default=0)
    head_size = (gguf.embedding_length or 0) // heads if heads else 0
    key_length = gguf.whole(prefix + "key_length")
    value_length = gguf.whole(prefix + "value_length")
    widths = (head_size if length is None else length for length in (key_length, value_length))
    elements = sum(widths) * sum(gguf.head_counts_kv)
    return -(-elements * kind.type_size // kind.block_size)
