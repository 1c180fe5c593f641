"""Qwen: files as Ollama has them, and what llama.cpp must find in them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.layouts.files import Arrays, arrays, content, random, written
from tests.models.layouts.translated import EYES, projector_of, same, text_of
from tests.scheduler.mtp import write_former_mtp, write_mtp

from puna.models.gguf import read_gguf
from puna.models.layouts.translation import language_model
from puna.models.library import Library

MERGER = {
    ".vision.attention.head_count": 2,
    ".vision.spatial_merge_size": 2,
    ".vision.num_channels": 3,
}


def qwen_tower(frames: int = 2) -> dict[str, Any]:
    tower = arrays(
        v__patch_embed__weight=(24, frames, 4, 4),
        v__pos_embed__weight=(9, 8),
        v__blk__0__norm1__weight=(8,),
        v__blk__0__mlp__linear_fc1__weight=(16, 8),
        v__blk__0__mlp__linear_fc2__weight=(8, 16),
        v__merger__norm__weight=(8,),
        v__merger__linear_fc1__weight=(32, 32),
        v__merger__linear_fc2__weight=(8, 32),
    )
    for part in "qkv":
        tower[f"v.blk.0.attn_{part}.weight"] = random(part, 8, 8)
        tower[f"v.blk.0.attn_{part}.bias"] = random(part, 8, kind=np.float32)
    return tower


def qwen_expected(old: Arrays) -> dict[str, Any]:
    packed = old["v.patch_embed.weight"].astype(np.float32).reshape(8, 3, 2, 4, 4)
    return {
        "v.position_embd.weight": old["v.pos_embed.weight"].astype(np.float32),
        "v.blk.0.ln1.weight": old["v.blk.0.norm1.weight"],
        "v.blk.0.ffn_up.weight": old["v.blk.0.mlp.linear_fc1.weight"],
        "v.blk.0.ffn_down.weight": old["v.blk.0.mlp.linear_fc2.weight"],
        "v.post_ln.weight": old["v.merger.norm.weight"],
        "mm.0.weight": old["v.merger.linear_fc1.weight"],
        "mm.2.weight": old["v.merger.linear_fc2.weight"],
        **{
            f"v.blk.0.attn_qkv.{leaf}": np.concatenate([old[f"v.blk.0.attn_{part}.{leaf}"] for part in "qkv"]).astype(
                np.float32
            )
            for leaf in ("weight", "bias")
        },
        "v.patch_embd.weight": packed[:, :, 0],
        "v.patch_embd.weight.1": packed[:, :, 1],
    }


def test_qwen3vl(tmp_path: Path) -> None:
    given = MERGER | {".vision.deepstack_visual_indexes": [1], ".vision.shortest_edge": 4096}
    old = {"token_embd.weight": random("t", 4, 8)} | qwen_tower()
    old["v.deepstack_merger.0.linear_fc1.weight"] = random("d", 8, 8)
    keys, tensors = text_of(tmp_path, "qwen3vl", given | EYES, old)
    assert keys["qwen3vl.rope.dimension_sections"] == (24, 20, 20, 0)
    assert keys["qwen3vl.n_deepstack_layers"] == 1
    same(tensors, {"token_embd.weight": old["token_embd.weight"]})
    keys, tensors = projector_of(tmp_path, "qwen3vl", given, old)
    assert keys["clip.projector_type"] == "qwen3vl_merger"
    assert keys["clip.vision.feed_forward_length"] == 16
    assert keys["clip.vision.image_size"] == 12
    assert keys["clip.vision.is_deepstack_layers"] == (False, True)
    assert keys["clip.vision.image_min_pixels"] == 4096
    assert keys["clip.vision.image_max_pixels"] == 16_777_216
    expected = qwen_expected(old) | {"v.deepstack.1.fc1.weight": old["v.deepstack_merger.0.linear_fc1.weight"]}
    same(dict(sorted(tensors.items())), dict(sorted(expected.items())))


@pytest.mark.parametrize("architecture", ["qwen35", "qwen35moe"])
def test_qwen35(tmp_path: Path, architecture: str) -> None:
    given = MERGER | {".attention.head_count_kv": [0, 4], ".rope.dimension_sections": [2, 1, 1]}
    old = {"blk.0.ssm_dt": random("dt", 4), "mtp.norm.weight": random("m", 8)} | qwen_tower()
    keys, tensors = text_of(tmp_path, architecture, given | EYES, old)
    assert keys[f"{architecture}.attention.head_count_kv"] == 4
    assert keys[f"{architecture}.rope.dimension_sections"] == (2, 1, 1, 0)
    same(tensors, {"blk.0.ssm_dt.bias": old["blk.0.ssm_dt"]})
    keys, tensors = projector_of(tmp_path, architecture, given, old)
    assert keys["clip.vision.is_deepstack_layers"] == (False, False)
    same(dict(sorted(tensors.items())), dict(sorted(qwen_expected(old).items())))


def test_qwen35_has_what_guesses_ahead_in_a_block_of_its_own(tmp_path: Path) -> None:
    vocabulary = Library(tmp_path).get("cria").path
    translation = language_model(read_gguf(write_former_mtp(tmp_path / "old.gguf", vocabulary, eyes=True)))
    assert translation is not None
    keys, tensors = written(translation, tmp_path / "new.gguf")
    wanted, expected = content(write_mtp(tmp_path / "twin.gguf", vocabulary))
    assert {key: keys.get(key) for key in wanted} == wanted
    same(dict(sorted(tensors.items())), dict(sorted(expected.items())))


def test_qwen35moe_has_the_experts_that_guess_in_one_tensor(tmp_path: Path) -> None:
    vectors = ("attn_norm", "post_attention_norm", "attn_q_norm", "attn_k_norm")
    matrices = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate_inp", "ffn_gate_inp_shexp")
    matrices += ("ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp")
    old = {"blk.0.attn_norm.weight": random("n", 8)}
    old |= {f"mtp.layers.0.{name}.weight": random(name, 8) for name in vectors}
    old |= {f"mtp.layers.0.{name}.weight": random(name, 8, 8) for name in matrices}
    old |= {f"mtp.{name}.weight": random(name, 8) for name in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm")}
    old["mtp.fc.weight"] = random("fc", 8, 16)
    for part in ("gate", "up", "down"):
        for expert in (0, 10, 2, 1, 3, 4, 5, 6, 7, 8, 9):
            name = f"mtp.layers.0.mlp.experts.{expert}.{part}_proj.weight"
            old[name] = random(name, 4, 8)
    keys, tensors = text_of(tmp_path, "qwen35moe", {}, old)
    assert keys["qwen35moe.nextn_predict_layers"] == 1
    assert keys["qwen35moe.block_count"] == 2
    for part in ("gate", "up", "down"):
        experts = [old[f"mtp.layers.0.mlp.experts.{expert}.{part}_proj.weight"] for expert in range(11)]
        np.testing.assert_array_equal(tensors[f"blk.1.ffn_{part}_exps.weight"], np.stack(experts))
    norm = tensors["blk.1.nextn.shared_head_norm.weight"]
    np.testing.assert_array_equal(norm, old["mtp.norm.weight"].astype(np.float32) + 1)
    assert not [name for name in tensors if name.startswith("mtp.")]


def test_qwen3next(tmp_path: Path) -> None:
    old = arrays(blk__0__ssm_dt=(4,))
    keys, tensors = text_of(tmp_path, "qwen3next", {".attention.head_count_kv": [0, 2]}, old)
    assert keys["qwen3next.attention.head_count_kv"] == 2
    assert list(tensors) == ["blk.0.ssm_dt.bias"]


def test_qwen25vl(tmp_path: Path) -> None:
    given = MERGER | {".rope.mrope_section": [2, 3, 3], ".vision.fullatt_block_indexes": [7, 15]}
    old = arrays(
        token_embd__weight=(4, 8),
        v__patch_embd_0__weight=(8, 3, 4, 4),
        v__patch_embd_1__weight=(8, 3, 4, 4),
        v__blk__0__ffn_up__weight=(16, 8),
        v__merger__ln_q__weight=(8,),
        v__merger__mlp__0__bias=(8,),
        v__merger__mlp__2__weight=(8, 8),
    )
    keys, tensors = text_of(tmp_path, "qwen25vl", given | EYES, old)
    assert keys["general.architecture"] == "qwen2vl"
    assert keys["qwen2vl.rope.dimension_sections"] == (2, 3, 3, 0)
    assert list(tensors) == ["token_embd.weight"]
    keys, tensors = projector_of(tmp_path, "qwen25vl", given, old)
    assert keys["clip.projector_type"] == "qwen2.5vl_merger"
    assert keys["clip.use_silu"] is True
    assert keys["clip.vision.n_wa_pattern"] == 8
    assert keys["clip.vision.feed_forward_length"] == 16
    assert tensors["v.patch_embd.weight"].dtype == tensors["v.patch_embd.weight.1"].dtype == np.float32
    assert set(tensors) == {
        "v.patch_embd.weight",
        "v.patch_embd.weight.1",
        "v.blk.0.ffn_up.weight",
        "v.post_ln.weight",
        "mm.0.bias",
        "mm.2.weight",
    }
