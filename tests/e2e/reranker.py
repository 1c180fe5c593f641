"""A reranker of a few bytes: BERT's shape with random weights and a head of one score."""

from pathlib import Path

import gguf
import numpy as np

_WIDTH, _BLOCKS, _HEADS, _FEED_FORWARD, _CONTEXT = 32, 2, 4, 64, 128
_RANK = 4


def write_reranker(path: Path) -> Path:
    """Write a GGUF that llama.cpp ranks documents with."""
    words = [chr(code) for code in range(97, 123)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"▁{word}" for word in words), *words]
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("reranker")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_BLOCKS)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_uint32("bert.pooling_type", _RANK)
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([3, 2, 3, 3, *([1] * 52)])
    for name, token in (("padding", 0), ("unknown", 1), ("bos", 2), ("eos", 3), ("cls", 2), ("seperator", 3)):
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", token)
    random = np.random.default_rng(1)
    for name, shape in _tensors(len(tokens)).items():
        values = random.normal(0, 0.3, shape).astype(np.float32)
        writer.add_tensor(name, np.ones(shape, np.float32) if name.endswith("norm.weight") else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocabulary, _WIDTH),
        "token_types.weight": (2, _WIDTH),
        "position_embd.weight": (_CONTEXT, _WIDTH),
        "cls.weight": (_WIDTH, _WIDTH),
        "cls.bias": (_WIDTH,),
        "cls.output.weight": (1, _WIDTH),
        "cls.output.bias": (1,),
    }
    norms = ["token_embd_norm"]
    for block in range(_BLOCKS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes |= {f"blk.{block}.{part}.weight": (_WIDTH, _WIDTH), f"blk.{block}.{part}.bias": (_WIDTH,)}
        shapes |= {
            f"blk.{block}.ffn_up.weight": (_FEED_FORWARD, _WIDTH),
            f"blk.{block}.ffn_up.bias": (_FEED_FORWARD,),
            f"blk.{block}.ffn_down.weight": (_WIDTH, _FEED_FORWARD),
            f"blk.{block}.ffn_down.bias": (_WIDTH,),
        }
        norms += [f"blk.{block}.attn_output_norm", f"blk.{block}.layer_output_norm"]
    for norm in norms:
        shapes |= {f"{norm}.weight": (_WIDTH,), f"{norm}.bias": (_WIDTH,)}
    return shapes
