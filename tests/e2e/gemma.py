"""A Gemma 3 of random weights as Ollama has it, with its vision tower inside and the built-in model's vocabulary."""

import zlib
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tests.models.layouts.files import write

_WIDTH, _HEADS, _BLOCKS, _INNER, _HEAD = 64, 4, 2, 128, 16
_EYE, _PATCH, _SIDE = 64, 14, 56
_TEXT = {
    "context_length": 512,
    "embedding_length": _WIDTH,
    "block_count": _BLOCKS,
    "feed_forward_length": _INNER,
    "attention.head_count": _HEADS,
    "attention.head_count_kv": 2,
    "attention.key_length": _HEAD,
    "attention.value_length": _HEAD,
    "attention.sliding_window": 64,
    "mm.tokens_per_image": 4,
}
_VISION = {
    "block_count": _BLOCKS,
    "embedding_length": _EYE,
    "feed_forward_length": _INNER,
    "image_size": _SIDE,
    "patch_size": _PATCH,
    "attention.head_count": 4,
}


def _random(name: str, *shape: int, around: float = 0.0) -> Any:
    numbers = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    scale = 1.5 / shape[-1] ** 0.5 if len(shape) > 1 else 0.1
    return (around + numbers * scale).astype(np.float16 if len(shape) > 1 else np.float32)


def _text_shapes(rows: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (rows, _WIDTH), "output_norm": (_WIDTH,)}
    for block in range(_BLOCKS):
        norms = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        inside = dict.fromkeys(norms, (_WIDTH,)) | dict.fromkeys(("attn_q_norm", "attn_k_norm"), (_HEAD,))
        inside |= {"attn_q": (_HEADS * _HEAD, _WIDTH), "attn_output": (_WIDTH, _HEADS * _HEAD)}
        inside |= dict.fromkeys(("attn_k", "attn_v"), (2 * _HEAD, _WIDTH))
        inside |= {"ffn_gate": (_INNER, _WIDTH), "ffn_up": (_INNER, _WIDTH), "ffn_down": (_WIDTH, _INNER)}
        shapes |= {f"blk.{block}.{name}": shape for name, shape in inside.items()}
    return shapes


def _eye_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"v.post_layernorm": (_EYE,)}
    for block in range(_BLOCKS):
        inside = dict.fromkeys(("layer_norm1", "layer_norm2"), (_EYE,))
        inside |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (_EYE, _EYE))
        inside |= {"mlp.fc1": (_INNER, _EYE), "mlp.fc2": (_EYE, _INNER)}
        shapes |= {f"v.blk.{block}.{name}": shape for name, shape in inside.items()}
    return shapes


def write_gemma(path: Path, vocabulary: Path) -> Path:
    """Write the model; its tokens are those of another file."""
    fields = gguf.GGUFReader(vocabulary).fields
    tokenizer: dict[str, Any] = {
        key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.ggml.")
    }
    tensors: dict[str, Any] = {}
    for name, shape in _text_shapes(len(tokenizer["tokenizer.ggml.tokens"])).items():
        # Large norms behind each part, or the last token would be said again and again.
        around = 25.0 if "post_" in name else 1.0 if "norm" in name else 0.0
        tensors[f"{name}.weight"] = _random(name, *shape, around=around)
    for name, shape in _eye_shapes().items():
        tensors[f"{name}.weight"] = _random(name, *shape, around=float("norm" in name))
        tensors[f"{name}.bias"] = _random(f"{name}.bias", shape[0])
    tensors["v.patch_embedding.weight"] = _random("patch", _EYE, 3, _PATCH, _PATCH)
    tensors["v.patch_embedding.bias"] = _random("bias", _EYE)
    tensors["v.position_embedding.weight"] = _random("position", (_SIDE // _PATCH) ** 2, _EYE)
    tensors["mm.mm_input_projection.weight"] = _random("projection", _EYE, _WIDTH)
    tensors["mm.mm_soft_emb_norm.weight"] = _random("soft", _EYE, around=1.0)
    keys: dict[str, Any] = {f".{key}": value for key, value in _TEXT.items()}
    keys |= {f".vision.{key}": value for key, value in _VISION.items()}
    keys[".vision.attention.layer_norm_epsilon"] = 1e-6
    return write(path, "gemma3", keys | tokenizer, tensors)
