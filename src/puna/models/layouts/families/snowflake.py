"""Snowflake Arctic Embed 2: its table of characters as single letters of base64 instead of bytes."""

import base64
import binascii

from puna.models.gguf import GGUFFile
from puna.models.gguf_types import GGUFArray, GGUFError, ValueType
from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout
from puna.models.layouts.values import Array

_TABLE = "tokenizer.ggml.precompiled_charsmap"


def _letters(gguf: GGUFFile) -> bool:
    table = gguf.metadata.get(_TABLE)
    if isinstance(table, GGUFArray):
        is_text = table.element_type == ValueType.STRING
    else:
        is_text = isinstance(table, tuple) and bool(table) and isinstance(table[0], str)
    return is_text and gguf.text("tokenizer.ggml.model") == "t5"


def _bytes(edit: Edit) -> None:
    try:
        table = base64.b64decode("".join(str(letter) for letter in edit.array(_TABLE)), validate=True)
    except (binascii.Error, ValueError):
        raise GGUFError(f"{_TABLE} is not base64") from None
    edit.set(_TABLE, Array(ValueType.UINT8, tuple(table)))


LAYOUT = Layout(name="snowflake", architectures=("bert",), marked=_letters, text=(_bytes,))
