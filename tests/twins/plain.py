"""Architectures that are the same in Ollama's layout and in llama.cpp's: small models of each, with weights of zero."""

from pathlib import Path

import numpy as np
from tests.models.layouts.files import write
from tests.twins.files import (
    GROUPS,
    HEADS,
    INNER,
    WIDTH,
    Keys,
    Shapes,
    attention,
    base,
    dense,
    experts,
    in_block,
    norms,
)

_TIED: Shapes = {"token_embd": (0, WIDTH), "output_norm": (WIDTH,)}
_NORMS = norms("attn_norm", "ffn_norm")
_AFTER = norms("post_attention_norm", "post_ffw_norm")
_BIASES: Shapes = {"attn_q.bias": (HEADS * 16,), "attn_k.bias": (GROUPS * 16,), "attn_v.bias": (GROUPS * 16,)}
_SHARED: Shapes = {"ffn_gate_shexp": (32, WIDTH), "ffn_up_shexp": (32, WIDTH), "ffn_down_shexp": (WIDTH, 32)}
_BESIDE: Shapes = {
    "inp_gate": (256, WIDTH),
    "proj": (WIDTH, 256),
    "altup_correct_coef": (4, 4),
    "altup_predict_coef": (16, 4),
    "altup_router": (4, WIDTH),
    "laurel_l": (64, WIDTH),
    "laurel_r": (WIDTH, 64),
} | norms("post_norm", "altup_correct_scale", "altup_router_norm", "laurel_post_norm")
_BLOCKS_3N = 21
"""One more than have keys of their own."""
_ENDS_3N: Shapes = {
    "altup_proj": (3, WIDTH, WIDTH),
    "altup_unembd_proj": (3, WIDTH, WIDTH),
    "per_layer_token_embd": (0, 256 * _BLOCKS_3N),
    "per_layer_model_proj": (256 * _BLOCKS_3N, WIDTH),
    "per_layer_proj_norm": (256,),
}
_SPARSE: Keys = {".expert_count": 4, ".expert_used_count": 2}
_PIECES = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
_SPOKEN: Keys = {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": _PIECES,
    "tokenizer.ggml.scores": [0.0] * len(_PIECES),
    "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, 1],
}
PLAIN: dict[str, tuple[str, Keys, Shapes, Shapes]] = {
    "qwen2": ("qwen2", base(16, 2), _NORMS | attention(16) | dense() | _BIASES, {}),
    "qwen3": ("qwen3", base(32, 2), _NORMS | attention(32, normed=True) | dense(), {}),
    "qwen3moe": (
        "qwen3moe",
        base(16, 2, expert_feed_forward_length=32) | _SPARSE,
        _NORMS | attention(16, normed=True) | experts(4, shared=False),
        {},
    ),
    "granite": ("granite", base(16, 2, logit_scale=8.0), _NORMS | attention(16) | dense(), {}),
    "granite with experts": (
        "granite",
        base(16, 2, logit_scale=8.0, expert_shared_feed_forward_length=32) | _SPARSE,
        _NORMS | attention(16) | experts(4, INNER, shared=False) | _SHARED,
        {},
    ),
    "gemma": ("gemma", base(32, 2), _NORMS | attention(32) | dense(), {}),
    "gemma2": ("gemma2", base(32, 2, attention__sliding_window=32), _NORMS | _AFTER | attention(32) | dense(), {}),
    "gemma3n": (
        "gemma3n",
        base(32, _BLOCKS_3N, attention__sliding_window=32)
        | {".attention.sliding_window_pattern": [block % 5 < 4 for block in range(_BLOCKS_3N)]},
        _NORMS | _AFTER | attention(32, normed=True) | dense() | _BESIDE,
        _ENDS_3N,
    ),
}
"""By name: the architecture, its keys, the tensors of each block, and those of none besides what all have."""
NOT_NEEDED = ("attn_q.bias", "attn_k.bias", "attn_v.bias", "ffn_gate_exps.weight of granite")


def write_plain(path: Path, name: str) -> Path:
    """Write one of them."""
    architecture, keys, block, ends = PLAIN[name]
    shapes = _TIED | ends
    for number in range(keys[".block_count"]):
        shapes |= in_block(number, block)
    tensors = {
        part if part.endswith(".bias") else f"{part}.weight": np.zeros(
            tuple(size or len(_PIECES) for size in shape), np.float16 if _is_matrix(part, shape) else np.float32
        )
        for part, shape in shapes.items()
    }
    return write(path, architecture, keys | _SPOKEN, tensors)


def _is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and "altup" not in name and "gate_inp" not in name
