"""Headers that lie, in every layout: each is translated, or refused with a reason, and nothing else happens."""

import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from puna.models.gguf import GGUFError, GGUFFile, read_gguf
from puna.models.layouts.families import ALL
from puna.models.layouts.translation import Translation, language_model, projector, projector_as_engine_sees

ARCHITECTURES = sorted({name for layout in ALL for name in layout.architectures})
_WHOLE = """
    block_count context_length embedding_length attention.key_length attention.kv_lora_rank rope.dimension_count
    expert_count vision.block_count vision.embedding_length vision.patch_size vision.attention.head_count
    vision.image_size vision.longest_edge audio.block_count nextn_predict_layers spatial_merge_size
    image_token_id
""".split()  # noqa: SIM905
_ARRAYS = """
    attention.head_count_kv rope.dimension_sections rope.mrope_section vision.deepstack_visual_indexes
    vision.fullatt_block_indexes
""".split()  # noqa: SIM905
_MATRICES = """
    token_embd per_layer_token_embd output norm dense.0 dense.1 blk.0.attn_q blk.0.attn_out blk.0.ffn_gate
    blk.0.ffn_up blk.1.ffn_down_exps blk.1.ffn_down_shexp blk.0.ffn_gate_exps blk.0.ffn_latent_in blk.0.attn_g
    v.patch_embed v.patch_embd v.patch_embd_0 v.patch_embedding v.patch_conv v.pos_embed v.position_embd
    v.position_embedding v.blk.0.attn_q v.blk.0.attn_k v.blk.0.attn_v v.blk.0.mlp.fc1 v.blk.0.mlp.linear_fc1
    v.deepstack_merger.0.norm mm.0 mm.mm_input_projection mm.patch_merger.merging_layer s.patch_embd mtp.fc
    mtp.norm mtp.pre_fc_norm_hidden mtp.pre_fc_norm_embedding mtp.layers.0.attn_q mtp.layers.0.attn_norm
    mtp.layers.0.mlp.experts.0.gate_proj mtp.layers.0.mlp.experts.1.gate_proj a.pre_encode.out a.blk.0.ln1
""".split()  # noqa: SIM905
UNMARKED = ("bert", "clip", "gemma3n", "lfm2", "llama", "qwen3next", "qwen3vl", "qwen3vlmoe")
"""Architectures whose layouts are known by what these files have not, or have."""
_TOKENS = [f"<{index}>" for index in range(8)]
_ODD: tuple[Any, ...] = (0, 1, 3, 2**31, 2**32 - 1, -1, 2**63, 1.5, float("nan"), -1e30, "", "x" * 300, True)
_LONG = 20_000
_CASES = 16


def _write(path: Path, architecture: str, draw: random.Random) -> None:
    """Write a file with what any layout looks for, of which some is missing, odd or of another shape."""
    writer = gguf.GGUFWriter(path, architecture)
    keys: dict[str, Any] = dict.fromkeys(_WHOLE, 4) | {name: [1, 1, 2] for name in _ARRAYS}
    keys |= {"rope.freq_base": 1e4, "vision.pixel_shuffle_ratio": 0.5, "rope.global.freq_base": 1e6}
    given = {f"{architecture}.{name}": value for name, value in keys.items()}
    given[f"{architecture}.attention.head_count_kv"] = [1, 1, 2, 2]
    given |= {"tokenizer.ggml.model": draw.choice(["gpt2", "llama", "t5"]), "tokenizer.ggml.tokens": _TOKENS}
    given |= {"tokenizer.ggml.token_type": [1] * 8, "tokenizer.ggml.eos_token_ids": [1, 2, 3]}
    given |= {"tokenizer.ggml.precompiled_charsmap": ["Q", "Q", "=", "="], "clip.has_vision_encoder": True}
    for name in draw.sample(sorted(given), draw.randint(0, 3)):
        del given[name]
    for name in draw.sample(sorted(given), draw.randint(0, 2)):
        given[name] = draw.choice([*_ODD, [0] * 3, [2**31 - 1] * 5, ["a", "b"], [1.5], [0] * _LONG, ["a"] * 3000])
    for name, value in given.items():
        _add(writer, name, value)
    for name in draw.sample(_MATRICES, draw.randint(len(_MATRICES) // 2, len(_MATRICES))):
        shape, numbers = (4, 4), draw.choice([np.float16, np.float32])
        if draw.random() < 0.02:
            shape = draw.choice([(4,), (4, 4, 4), (12, 2, 2, 2), (0, 4), (1, 1), (8, 4), (4, 8)])
        data = np.zeros(shape, np.int8 if draw.random() < 0.01 else numbers)
        kind = None
        if draw.random() < 0.02:
            data, kind = np.zeros((4, 34), np.uint8), gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(f"{name}.weight" if draw.random() < 0.95 else name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer: gguf.GGUFWriter, name: str, value: Any) -> None:
    kinds = gguf.GGUFValueType
    match value:
        case bool():
            writer.add_bool(name, value)
        case int():
            kind = kinds.INT32 if value < 0 else kinds.UINT32 if value < 2**32 else kinds.UINT64
            writer.add_key_value(name, value, kind)
        case float():
            writer.add_float32(name, value)
        case str():
            writer.add_string(name, value)
        case _:
            writer.add_array(name, value)


def _spoilt(data: bytes, draw: random.Random) -> bytes:
    """Return a file with a few bytes of its header changed, or cut short."""
    spoilt = bytearray(data)
    for _ in range(draw.randint(0, 3)):
        at = draw.randrange(8, len(spoilt))
        spoilt[at : at + 8] = draw.choice([b"\0" * 8, b"\xff" * 8, struct.pack("<Q", 1 << draw.randrange(64))])
    return bytes(spoilt[: draw.choice([len(spoilt)] * 9 + [len(spoilt) // 2])])


def _made(header: GGUFFile) -> Iterator[Translation]:
    projector_as_engine_sees(header)
    for translate in (language_model, projector):
        made = translate(header)
        if made:
            yield made


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_lie_is_translated_or_refused_with_a_reason(tmp_path: Path, architecture: str) -> None:
    path = tmp_path / "lying.gguf"
    translated = 0
    for seed in range(_CASES):
        draw = random.Random(f"{architecture} {seed}")
        _write(path, architecture, draw)
        if seed % 2:
            path.write_bytes(_spoilt(path.read_bytes(), draw))
        try:
            for made in _made(read_gguf(path)):
                memory = os.memfd_create("made")
                try:
                    made.write(memory)
                    read_gguf(Path(f"/proc/self/fd/{memory}"))
                finally:
                    os.close(memory)
                translated += 1
        except GGUFError as error:
            assert str(error), seed
    assert translated or architecture in UNMARKED
