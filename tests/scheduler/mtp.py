"""A Qwen 3.5 of random weights with a block that predicts the token after the next one, as llama.cpp has it."""

import zlib
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tests.models.layouts.files import write

_WIDTH, _HEADS, _KV_HEADS, _HEAD, _INNER = 64, 4, 2, 32, 128
_STATE, _GROUPS, _RANK, _KERNEL = 16, 2, 4, 4
_BLOCKS = 2
_KEYS = {
    "context_length": 512,
    "embedding_length": _WIDTH,
    "block_count": _BLOCKS + 1,
    "nextn_predict_layers": 1,
    "feed_forward_length": _INNER,
    "attention.head_count": _HEADS,
    "attention.head_count_kv": _KV_HEADS,
    "attention.key_length": _HEAD,
    "attention.value_length": _HEAD,
    "attention.layer_norm_rms_epsilon": 1e-6,
    "rope.freq_base": 1e7,
    "rope.dimension_count": 8,
    "rope.dimension_sections": [2, 1, 1, 0],
    "full_attention_interval": 2,
    "ssm.inner_size": _STATE * _RANK,
    "ssm.state_size": _STATE,
    "ssm.group_count": _GROUPS,
    "ssm.time_step_rank": _RANK,
    "ssm.conv_kernel": _KERNEL,
}


def _shapes(rows: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (rows, _WIDTH), "output_norm": (_WIDTH,)}
    mixed = 2 * _STATE * _GROUPS + _STATE * _RANK
    common = dict.fromkeys(("attn_norm", "post_attention_norm"), (_WIDTH,))
    common |= {"ffn_gate": (_INNER, _WIDTH), "ffn_up": (_INNER, _WIDTH), "ffn_down": (_WIDTH, _INNER)}
    linear = {"attn_qkv": (mixed, _WIDTH), "attn_gate": (_STATE * _RANK, _WIDTH), "ssm_conv1d": (mixed, _KERNEL)}
    linear |= {"ssm_beta": (_RANK, _WIDTH), "ssm_alpha": (_RANK, _WIDTH), "ssm_norm": (_STATE,)}
    linear |= {"ssm_out": (_WIDTH, _STATE * _RANK)}
    full = {"attn_q": (2 * _HEADS * _HEAD, _WIDTH), "attn_output": (_WIDTH, _HEADS * _HEAD)}
    full |= dict.fromkeys(("attn_k", "attn_v"), (_KV_HEADS * _HEAD, _WIDTH))
    full |= dict.fromkeys(("attn_q_norm", "attn_k_norm"), (_HEAD,))
    next_one = dict.fromkeys(("nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm"), (_WIDTH,))
    next_one |= {"nextn.eh_proj": (_WIDTH, 2 * _WIDTH)}
    for block, inside in enumerate((common | linear, common | full, common | full | next_one)):
        shapes |= {f"blk.{block}.{name}": shape for name, shape in inside.items()}
    return shapes


def _random(name: str, *shape: int) -> Any:
    numbers = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) == 1:
        return (float("norm" in name) + numbers * 0.1).astype(np.float32)
    return (numbers * 1.5 / shape[-1] ** 0.5).astype(np.float32 if "conv1d" in name else np.float16)


def write_mtp(path: Path, vocabulary: Path) -> Path:
    """Write the model; its tokens are those of another file."""
    fields = gguf.GGUFReader(vocabulary).fields
    tokenizer = {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.ggml.")}
    shapes = _shapes(len(tokenizer["tokenizer.ggml.tokens"]))
    tensors = {f"{name}.weight": _random(name, *shape) for name, shape in shapes.items()}
    tensors["blk.0.ssm_dt.bias"] = _random("dt", _RANK)
    tensors["blk.0.ssm_a"] = _random("a", _RANK) - 1
    return write(path, "qwen35", {f".{key}": value for key, value in _KEYS.items()} | tokenizer, tensors)
