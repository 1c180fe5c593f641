"""Tensors: that they lie side by side, and have the width of the model where they have it in every architecture."""

import re

from puna.models.fitness.vocabulary import has_tokens
from puna.models.gguf import GGUFArray, GGUFError, GGUFFile
from puna.models.gguf_types import TensorInfo

_BLOCK = re.compile(r"blk\.(\d{1,9})\.(.+)", re.ASCII)
_VECTORS = ("attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm")
_FROM_WIDTH = (
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_qkv",
    "ffn_up",
    "ffn_gate",
    "ffn_gate_inp",
    "ffn_gate_shexp",
    "ffn_up_shexp",
)
_TO_WIDTH = ("attn_output", "ffn_down", "ffn_down_shexp")
_EXPERTS = ("ffn_gate_exps", "ffn_up_exps", "ffn_down_exps", "ffn_gate_up_exps")
UNUSABLE = ("I8", "I16", "I32", "I64", "F64")
"""Types that nothing multiplies with."""
_BOUNDARY = 32
"""Bytes: weights are mapped, and an engine asserts that they begin at a multiple (``TENSOR_ALIGNMENT``)."""


def in_block(name: str) -> tuple[int, str] | None:
    """Return the block of a tensor and its name in it, ``None`` if it is of none."""
    match = _BLOCK.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def check_tensors(gguf: GGUFFile) -> None:
    """Raise ``GGUFError`` for a tensor that lies, or is shaped, as no architecture has it."""
    check_places(gguf)
    if gguf.data_offset % _BOUNDARY:
        raise GGUFError(
            f"too small an alignment: its data begin at byte {gguf.data_offset}, no multiple of {_BOUNDARY}"
        )
    width, blocks = gguf.embedding_length or 0, gguf.block_count or 0
    experts = gguf.whole(f"{gguf.architecture}.expert_count") or 0
    if f"{gguf.architecture}.features_length" in gguf.metadata:  # what comes in has another width
        return
    tokens = gguf.metadata.get("tokenizer.ggml.tokens")
    for tensor in gguf.tensors:
        if tensor.name == "output_norm.weight":
            _vector(tensor, width)
        if tensor.name == "token_embd.weight" and isinstance(tokens, tuple | GGUFArray) and has_tokens(gguf):
            check_size(tensor, (width, len(tokens)))
        place = in_block(tensor.name)
        if place is None:
            continue
        if place[0] >= blocks:
            raise GGUFError(f"tensor {tensor.name!r} is of a block that is not among the {blocks}")
        _check_in_block(tensor, place[1], width, experts)


def check_places(gguf: GGUFFile) -> None:
    """The engine wants each tensor to begin where the one before it ends, in the order of the header."""
    at = gguf.data_offset
    for tensor in gguf.tensors:
        if tensor.offset != at:
            raise GGUFError(f"tensor {tensor.name!r} does not begin where the one before it ends")
        at += -(-tensor.nbytes // gguf.alignment) * gguf.alignment


def _check_in_block(tensor: TensorInfo, name: str, width: int, experts: int) -> None:
    part, _, kind = name.partition(".")
    if kind != "weight":
        return
    if part in _VECTORS:
        _vector(tensor, width)
    elif part in _FROM_WIDTH:
        check_size(tensor, (width, experts if part == "ffn_gate_inp" else None))
    elif part in _TO_WIDTH:
        check_size(tensor, (None, width))
    elif part in _EXPERTS:
        check_size(tensor, (None, None, experts))
    if part in (*_FROM_WIDTH, *_TO_WIDTH, *_EXPERTS) and tensor.type.name in UNUSABLE:
        raise GGUFError(f"tensor {tensor.name!r} is of the type {tensor.type.name}, with which nothing is multiplied")


def _vector(tensor: TensorInfo, width: int) -> None:
    check_size(tensor, (width,))
    if tensor.type.block_size > 1 or tensor.type.name in UNUSABLE:
        raise GGUFError(f"tensor {tensor.name!r} is of the type {tensor.type.name}, and must have floats")


def check_size(tensor: TensorInfo, wanted: tuple[int | None, ...]) -> None:
    """Raise ``GGUFError`` unless the shape is as wanted; ``None`` is any size."""
    shape = tensor.shape
    while len(shape) > len(wanted) and shape[-1] == 1:
        shape = shape[:-1]
    shape += (1,) * (len(wanted) - len(shape))
    if len(shape) != len(wanted) or any(
        size is not None and size != has for size, has in zip(wanted, shape, strict=True)
    ):
        said = " × ".join("any" if size is None else str(size) for size in wanted)
        raise GGUFError(f"tensor {tensor.name!r} is {' × '.join(map(str, tensor.shape))}, and must be {said}")
