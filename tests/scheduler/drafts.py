"""Draft models of random weights that guess from what the built-in model has computed: EAGLE-3 and DFlash."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tests.models.layouts.files import write

_WIDTH, _HEADS, _HEAD, _INNER = 256, 4, 64, 512
_LAYERS = [1, 3, 6]
"""The blocks of the model from which they guess."""
_KEYS: dict[str, Any] = {
    ".context_length": 2048,
    ".embedding_length": _WIDTH,
    ".block_count": 1,
    ".feed_forward_length": _INNER,
    ".attention.head_count": _HEADS,
    ".attention.head_count_kv": _HEADS,
    ".attention.key_length": _HEAD,
    ".attention.value_length": _HEAD,
    ".attention.layer_norm_rms_epsilon": 1e-5,
    ".rope.freq_base": 1e4,
    ".rope.dimension_count": _HEAD,
    ".target_hidden_size": _WIDTH,
}


def write_draft(path: Path, architecture: str, vocabulary: Path, layers: list[int] | None = None) -> Path:
    """Write a draft model for the built-in one: ``eagle3`` or ``dflash``; ``layers`` are those that it asks for."""
    fields = gguf.GGUFReader(vocabulary).fields
    tokenizer = {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.ggml.")}
    keys = _KEYS | {".target_layers": layers or _LAYERS} | tokenizer
    attention = _WIDTH * (1 + (architecture == "eagle3"))
    shapes: dict[str, tuple[int, ...]] = {"fc": (_WIDTH, _WIDTH * len(_LAYERS)), "output_norm": (_WIDTH,)}
    shapes |= {f"blk.0.attn_{part}": (_HEADS * _HEAD, attention) for part in "qkv"}
    shapes |= {"blk.0.attn_output": (_WIDTH, _HEADS * _HEAD), "blk.0.attn_norm": (_WIDTH,), "blk.0.ffn_norm": (_WIDTH,)}
    shapes |= {f"blk.0.ffn_{part}": (_INNER, _WIDTH) for part in ("gate", "up")}
    shapes |= {"blk.0.ffn_down": (_WIDTH, _INNER)}
    if architecture == "eagle3":
        shapes |= {"blk.0.attn_norm_2": (_WIDTH,), "output": (len(tokenizer["tokenizer.ggml.tokens"]), _WIDTH)}
    else:
        keys |= {".block_size": 8, "tokenizer.ggml.mask_token_id": 0}
        shapes |= {"enc.output_norm": (_WIDTH,), "blk.0.attn_q_norm": (_HEAD,), "blk.0.attn_k_norm": (_HEAD,)}
    random = np.random.default_rng(1)
    tensors = {}
    for name, shape in shapes.items():
        numbers = random.standard_normal(shape) / shape[-1] ** 0.5
        tensors[f"{name}.weight"] = (numbers + (len(shape) == 1)).astype(np.float32)
    return write(path, architecture, keys, tensors)
