"""Tiny models to make others from: a GGUF file whole or in parts, a checkpoint, adapters, a projector."""

import json
from pathlib import Path

import gguf
import numpy as np
from tests.models.create.convert.conftest import CONFIG, SHAPES, TOKENIZER, save_safetensors

WIDTH, ROWS, VOCABULARY = 64, 32, 48


def write_checkpoint(directory: Path) -> Path:
    """Write a Llama checkpoint of F32 numbers as Hugging Face's libraries do."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal(shape, np.float32) for name, shape in SHAPES.items()}
    (directory / "config.json").write_text(json.dumps(CONFIG))
    (directory / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    save_safetensors(directory / "model.safetensors", weights)
    return directory


def write_peft(directory: Path) -> Path:
    """Write a PEFT adapter for the checkpoint."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    prefix = "base_model.model.model.layers.0.self_attn.q_proj"
    weights = {
        f"{prefix}.lora_A.weight": rng.standard_normal((4, 16), np.float32),
        f"{prefix}.lora_B.weight": rng.standard_normal((16, 4), np.float32),
    }
    (directory / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    save_safetensors(directory / "adapter_model.safetensors", weights)
    return directory


def write_gguf(path: Path, *, parts: int = 1, kind: type = np.float16, bare: bool = False) -> list[Path]:
    """Write a Llama model of one block that llama.cpp loads; return its files in order.

    With ``bare`` the first part has no tensors, as llama.cpp's converter has it if asked.
    """
    rng = np.random.default_rng(2)
    matrices = {
        "token_embd.weight": (VOCABULARY, WIDTH),
        "output.weight": (VOCABULARY, WIDTH),
        **{f"blk.0.attn_{name}.weight": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}.weight": (ROWS, WIDTH) for name in ("gate", "up")},
        "blk.0.ffn_down.weight": (WIDTH, ROWS),
    }
    norms = ("output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight")
    count = len(matrices) + len(norms)
    most = -(-count // (parts - bare)) if parts > 1 else 0
    writer = gguf.GGUFWriter(path, "llama", split_max_tensors=most, small_first_shard=bare)
    writer.add_block_count(1)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(ROWS)
    writer.add_context_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(0 if kind is np.float32 else 1)
    _add_vocabulary(writer)
    for name, shape in matrices.items():
        writer.add_tensor(name, (rng.standard_normal(shape, np.float32) / 8).astype(kind))
    for name in norms:
        writer.add_tensor(name, np.ones(WIDTH, np.float32))
    _finish(writer)
    return sorted(path.parent.glob(f"{path.stem}-*-of-*.gguf")) if parts > 1 else [path]


def write_bert(path: Path) -> Path:
    """Write a BERT model of one block, which embeds."""
    rng = np.random.default_rng(4)
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_block_count(1)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(ROWS)
    writer.add_context_length(128)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    letters = [chr(ord("a") + number) for number in range(26)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"▁{letter}" for letter in letters), *letters]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 5 + [1] * (len(tokens) - 5))
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
    rows = {"token_embd": len(tokens), "position_embd": 128, "token_types": 2}
    for name, count in rows.items():
        writer.add_tensor(f"{name}.weight", rng.standard_normal((count, WIDTH), np.float32))
    matrices = {f"attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
    for name, shape in (matrices | {"ffn_up": (ROWS, WIDTH), "ffn_down": (WIDTH, ROWS)}).items():
        writer.add_tensor(f"blk.0.{name}.weight", rng.standard_normal(shape, np.float32) / 8)
        writer.add_tensor(f"blk.0.{name}.bias", np.zeros(shape[0], np.float32))
    for name in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(WIDTH, np.float32))
    _finish(writer)
    return path


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    letters = [chr(ord("a") + number) for number in range(26)]
    tokens = ["<unk>", "<s>", "</s>", "▁", *letters]
    tokens += [f"▁{letter}" for letter in letters][: VOCABULARY - len(tokens)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(number) for number in range(VOCABULARY)])
    writer.add_token_types([2, 3, 3] + [1] * (VOCABULARY - 3))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def write_lora(path: Path, architecture: str = "llama", scale: float = 1.0, *, tensors: bool = True) -> Path:
    """Write a GGUF adapter for the GGUF model; ``scale`` makes it weaker."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 8.0 * scale)
    rng = np.random.default_rng(3)
    if tensors:
        writer.add_tensor("blk.0.attn_q.weight.lora_a", rng.standard_normal((4, WIDTH), np.float32))
        writer.add_tensor("blk.0.attn_q.weight.lora_b", rng.standard_normal((WIDTH, 4), np.float32))
    _finish(writer)
    return path


def write_projector(path: Path, name: str = "") -> Path:
    """Write what looks like a multimodal projector; no engine would load it."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name(name)
    writer.add_tensor("mm.0.weight", np.zeros((4, WIDTH), np.float32))
    _finish(writer)
    return path


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
