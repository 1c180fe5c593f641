"""The vocabulary: that it is there, and that its parts are of one length and of the types that the engine reads."""

import struct
from collections.abc import Iterator, Mapping

from puna.models.fitness.stored import Kind, kinds
from puna.models.gguf import GGUFArray, GGUFError, GGUFFile
from puna.models.gguf_types import ValueType

_PREFIX = "tokenizer.ggml."
_NONE = ("none", "no_vocab")
_BY_MERGES = ("gpt2", "gemma4")
_WITHOUT_MERGES = "kimi-k2"
_ELEMENTS = {
    "tokens": (ValueType.STRING,),
    "scores": (ValueType.FLOAT32, ValueType.INT32),
    "token_type": (ValueType.INT32,),
}
_MERGES, _TABLE = (ValueType.STRING,), (ValueType.INT8, ValueType.UINT8)
_LENGTH = struct.Struct("<Q")
_SIZE = struct.Struct("<I")


def has_tokens(gguf: GGUFFile) -> bool:
    """Return whether a model has a vocabulary at all."""
    return gguf.text(f"{_PREFIX}model") not in (None, *_NONE)


def check_vocabulary(gguf: GGUFFile, found: Mapping[str, Kind]) -> None:
    """Raise ``GGUFError`` for a vocabulary that the engine cannot read; ``found`` are the types of the keys."""
    model = gguf.metadata.get(f"{_PREFIX}model")
    if not isinstance(model, str):
        raise GGUFError(f"{_PREFIX}model is missing")
    if not has_tokens(gguf):
        return
    count = _length(gguf, "tokens")
    if not count:
        raise GGUFError(f"{_PREFIX}tokens is missing")
    for name in _ELEMENTS:
        length = _length(gguf, name)
        if length is not None and length < count:
            raise GGUFError(f"{_PREFIX}{name} has {length} elements for {count} tokens")
    merges = model in _BY_MERGES
    if merges and f"{_PREFIX}merges" not in gguf.metadata and gguf.text(f"{_PREFIX}pre") != _WITHOUT_MERGES:
        raise GGUFError(f"{_PREFIX}merges is missing")
    _check_types(gguf, found, merges=merges, table=model == "t5")


def _check_types(gguf: GGUFFile, found: Mapping[str, Kind], *, merges: bool, table: bool) -> None:
    wanted = _ELEMENTS | ({"merges": _MERGES} if merges else {}) | ({"precompiled_charsmap": _TABLE} if table else {})
    for name, elements in wanted.items():
        kind = found.get(_PREFIX + name)
        if kind is not None and (not kind.is_array or kind.element not in elements):
            raise GGUFError(f"{_PREFIX}{name} is {kind.name}, which no tokenizer reads")
    characters = found.get(f"{_PREFIX}precompiled_charsmap") if table else None
    if characters is not None:
        _check_table(gguf, characters)


def _check_table(gguf: GGUFFile, kind: Kind) -> None:
    """A table of characters begins with the size of its first part."""
    with gguf.path.open("rb", buffering=0) as file:
        file.seek(kind.offset)
        head = file.read(_SIZE.size)
    if kind.length < _SIZE.size or _SIZE.size + _SIZE.unpack(head.ljust(_SIZE.size, b"\0"))[0] >= kind.length:
        raise GGUFError(f"{_PREFIX}precompiled_charsmap ends inside its table")


def _length(gguf: GGUFFile, name: str) -> int | None:
    value = gguf.metadata.get(_PREFIX + name)
    if value is None:
        return None
    if not isinstance(value, tuple | GGUFArray):
        raise GGUFError(f"{_PREFIX}{name} is no array")
    return len(value)


def check_tokens(gguf: GGUFFile) -> None:
    """Raise ``GGUFError`` if two tokens are the same; the whole vocabulary is read, a quarter of a million in 0.1 s."""
    kind = kinds(gguf, f"{_PREFIX}tokens").get(f"{_PREFIX}tokens")
    if not has_tokens(gguf) or kind is None or kind.element != ValueType.STRING:
        return
    seen: set[bytes] = set()
    for token in _tokens(gguf, kind):
        if token in seen:
            raise GGUFError("two tokens of its vocabulary are the same")
        if token:  # the engine gives those without a text one of their own
            seen.add(token)


def _tokens(gguf: GGUFFile, kind: Kind) -> Iterator[bytes]:
    """Yield the tokens as C reads them: up to the first zero byte."""
    start, end = gguf.spans[f"{_PREFIX}tokens"]
    with gguf.path.open("rb", buffering=0) as file:
        file.seek(kind.offset)
        data = file.read(end - kind.offset)
    if len(data) != end - kind.offset or start > kind.offset:
        raise GGUFError("the file changed while it was read")
    at = 0
    for _ in range(kind.length):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + length
        yield data[at - length : at].partition(b"\0")[0]
