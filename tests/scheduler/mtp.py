"""A Qwen 3.5 of random weights with a block that predicts the token after the next one, in either layout."""

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
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (rows, _WIDTH), "output_norm.weight": (_WIDTH,)}
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
        shapes |= {f"blk.{block}.{name}.weight": shape for name, shape in inside.items()}
    return shapes


def _noise(name: str, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32) / 10


def _random(name: str, *shape: int) -> Any:
    if len(shape) == 1:
        return _noise(name, shape) + np.float32("norm" in name)
    numbers = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    return (numbers * 1.5 / shape[-1] ** 0.5).astype(np.float32 if "conv1d" in name else np.float16)


_FORMER = {"eh_proj": "fc", "enorm": "pre_fc_norm_embedding", "hnorm": "pre_fc_norm_hidden", "shared_head_norm": "norm"}
_EYES = {
    "block_count": 2,
    "embedding_length": _WIDTH,
    "attention.head_count": 4,
    "num_channels": 3,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "attention.layer_norm_epsilon": 1e-6,
}


def write_mtp(path: Path, vocabulary: Path) -> Path:
    """Write the model as llama.cpp has it; its tokens are those of another file."""
    return _write(path, vocabulary, _KEYS, _tensors(vocabulary))


def write_former_mtp(path: Path, vocabulary: Path, *, eyes: bool = False) -> Path:
    """Write the same model as Ollama had it: the block named ``mtp``, with norms counted from zero; it may see."""
    tensors = {}
    for name, data in _tensors(vocabulary).items():
        new = _former(name)
        tensors[new] = _noise(name, data.shape) if new.startswith("mtp.") and "norm" in name else data
    keys = _KEYS | {"block_count": _BLOCKS, "ssm.v_head_reordered": True, "rope.dimension_sections": [2, 1, 1]}
    del keys["nextn_predict_layers"]
    if eyes:
        keys |= {f"vision.{key}": value for key, value in _EYES.items()}
        tensors |= {name: _random(name, *shape) for name, shape in _tower().items()}
    return _write(path, vocabulary, keys, tensors)


def _former(name: str) -> str:
    block = f"blk.{_BLOCKS}."
    if name.startswith(f"{block}nextn."):
        leaf = name.removeprefix(f"{block}nextn.").removesuffix(".weight")
        return f"mtp.{_FORMER[leaf]}.weight"
    return name.replace(block, "mtp.layers.0.").replace("ssm_dt.bias", "ssm_dt")


def _tower() -> dict[str, tuple[int, ...]]:
    wide = 4 * _WIDTH
    shapes = {
        "patch_embed.weight": (3 * _WIDTH, 2, 16, 16),
        "patch_embed.bias": (_WIDTH,),
        "pos_embed.weight": (64, _WIDTH),
    }
    linear = {"merger.linear_fc1": (wide, wide), "merger.linear_fc2": (_WIDTH, wide)}
    norms = ["merger.norm"]
    for block in range(2):
        linear |= {f"blk.{block}.attn_{part}": (_WIDTH, _WIDTH) for part in ("q", "k", "v", "out")}
        linear |= {f"blk.{block}.mlp.linear_fc1": (_INNER, _WIDTH), f"blk.{block}.mlp.linear_fc2": (_WIDTH, _INNER)}
        norms += [f"blk.{block}.norm1", f"blk.{block}.norm2"]
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        shapes |= {f"{name}.weight": (_WIDTH,), f"{name}.bias": (_WIDTH,)}
    return {f"v.{name}": shape for name, shape in shapes.items()}


def _tensors(vocabulary: Path) -> dict[str, Any]:
    shapes = _shapes(len(_tokenizer(vocabulary)["tokenizer.ggml.tokens"]))
    tensors = {name: _random(name, *shape) for name, shape in shapes.items()}
    tensors["blk.0.ssm_dt.bias"] = _random("dt", _RANK)
    tensors["blk.0.ssm_a"] = _random("a", _RANK) - 1
    return tensors


def _tokenizer(vocabulary: Path) -> dict[str, Any]:
    fields = gguf.GGUFReader(vocabulary).fields
    return {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.ggml.")}


def _write(path: Path, vocabulary: Path, keys: dict[str, Any], tensors: dict[str, Any]) -> Path:
    return write(path, "qwen35", {f".{key}": value for key, value in keys.items()} | _tokenizer(vocabulary), tensors)
