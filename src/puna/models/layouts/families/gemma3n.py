"""Gemma 3n: a vocabulary with more rows than the embeddings of its layers, and tokens of other types."""

import re

from puna.models.gguf import GGUFFile
from puna.models.gguf_types import ValueType
from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import fixed
from puna.models.layouts.values import Array, i32s

_ROWS, _LAYER_ROWS = "token_embd.weight", "per_layer_token_embd.weight"
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_NORMAL_TYPE, _BYTE_TYPE = 1, 6
_END_OF_TURN = 106
_TYPES, _ENDS = "tokenizer.ggml.token_type", "tokenizer.ggml.eos_token_ids"


def _rows_differ(gguf: GGUFFile) -> bool:
    shapes = {tensor.name: tensor.shape for tensor in gguf.tensors if tensor.name in (_ROWS, _LAYER_ROWS)}
    return len(shapes) == 2 and shapes[_ROWS][-1] != shapes[_LAYER_ROWS][-1]


def _vocabulary(edit: Edit) -> None:
    shape = edit.shape(_LAYER_ROWS) or ()
    edit.first_rows(_ROWS, shape[-1])
    for name in ("tokens", "scores", "token_type"):
        edit.cut(f"tokenizer.ggml.{name}", shape[-1])


def _types(edit: Edit) -> None:
    types = [int(kind) for kind in edit.array(_TYPES)]
    for index, token in enumerate(edit.array("tokenizer.ggml.tokens")[: len(types)]):
        if _BYTE.fullmatch(token):
            types[index] = _BYTE_TYPE
        elif token.startswith("<unused"):
            types[index] = _NORMAL_TYPE
    edit.set(_TYPES, Array(ValueType.INT32, tuple(types)))


def _ends(edit: Edit) -> None:
    ends = [int(token) for token in edit.array(_ENDS)] or [1]
    edit.set(_ENDS, i32s(*ends, *([] if _END_OF_TURN in ends else [_END_OF_TURN])))


LAYOUT = Layout(
    name="gemma3n",
    architectures=("gemma3n",),
    marked=_rows_differ,
    text=(fixed({"tokenizer.ggml.model": "llama"}), _vocabulary, _types, _ends),
)
