"""Reads ``tokenizer.model``, the protocol buffer that SentencePiece trains.

Field numbers are those of ``sentencepiece_model.proto`` in google/sentencepiece. Reading some fields of one
message by hand is less than a dependency on a compiled library.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.tokenizers.vocabulary import (
    MAX_TOKENS,
    TokenType,
    Vocabulary,
    add_tokens,
    added_tokens,
    blank,
)

MAX_FILE = 64 * 2**20
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PIECE, _TRAINER, _NORMALIZER = 1, 2, 3
_TRAINER_MODEL_TYPE = 3
_NORMALIZER_DUMMY_PREFIX = 3
_BPE = 2


def read_sentencepiece(path: Path, tokenizer: Mapping[str, Any], config: Mapping[str, Any], size: int) -> Vocabulary:
    """The vocabulary in ``path``, with the tokens that the JSON files add, for ``size`` embedding rows.

    Raises :class:`ConvertError` for a damaged file and for a model that is not a BPE one.
    """
    if path.stat().st_size > MAX_FILE:
        raise ConvertError(f"{path.name} is larger than {MAX_FILE // 2**20} MiB")
    vocabulary = blank("llama", "default", size, scored=True)
    vocabulary.flags["add_space_prefix"] = True
    model_type = 1
    number = 0
    try:
        for field, value in message_fields(path.read_bytes()):
            if field == _PIECE and isinstance(value, bytes):
                _add_piece(vocabulary, number, value)
                number += 1
            elif field == _TRAINER and isinstance(value, bytes):
                model_type = _number(value, _TRAINER_MODEL_TYPE, default=1)
            elif field == _NORMALIZER and isinstance(value, bytes):
                prefix = _number(value, _NORMALIZER_DUMMY_PREFIX, default=1)
                vocabulary.flags["add_space_prefix"] = bool(prefix)
    except (IndexError, struct.error, UnicodeDecodeError, KeyError):
        raise ConvertError(f"{path.name} is damaged") from None
    if not 0 < number <= MAX_TOKENS:
        raise ConvertError(f"{path.name} has {number} tokens")
    if model_type != _BPE:
        raise ConvertError(f"{path.name} is not a BPE model (its type is {model_type})")
    add_tokens(vocabulary, added_tokens(tokenizer, config))
    wants_prefix = config.get("add_prefix_space")
    if isinstance(wants_prefix, bool):
        vocabulary.flags["add_space_prefix"] = wants_prefix
    return vocabulary


_KINDS = {
    1: TokenType.NORMAL,
    2: TokenType.UNKNOWN,
    3: TokenType.CONTROL,
    4: TokenType.USER_DEFINED,
    5: TokenType.UNUSED,
    6: TokenType.BYTE,
}


def _add_piece(vocabulary: Vocabulary, number: int, data: bytes) -> None:
    text, score, kind = "", 0.0, 1
    for field, value in message_fields(data):
        if field == 1 and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif field == 2 and isinstance(value, bytes):
            score = struct.unpack("<f", value)[0]
        elif field == 3 and isinstance(value, int):
            kind = value
    vocabulary.set(number, text, int(_KINDS[kind]), score)


def _number(data: bytes, wanted: int, default: int) -> int:
    for field, value in message_fields(data):
        if field == wanted and isinstance(value, int):
            return value
    return default


def message_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one message: whole numbers as they are, everything else as bytes.

    Raises IndexError at an end.
    """
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            number, position = _varint(data, position)
            yield key >> 3, number
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise IndexError(position)
        if position + length > len(data):
            raise IndexError(position)
        yield key >> 3, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise IndexError(position)
