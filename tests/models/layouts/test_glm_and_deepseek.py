"""GLM and DeepSeek: files as Ollama has them, and what llama.cpp must find in them."""

from pathlib import Path

import numpy as np
from tests.models.layouts.files import arrays
from tests.models.layouts.translated import EYES, projector_of, same, text_of


def test_glm4moelite(tmp_path: Path) -> None:
    given = {
        ".attention.head_count_kv": 4,
        ".attention.key_length": 32,
        ".attention.kv_lora_rank": 16,
        ".rope.dimension_count": 8,
        "tokenizer.ggml.eos_token_ids": [1, 2, 3],
    }
    keys, _ = text_of(tmp_path, "glm4moelite", given, arrays(token_embd__weight=(4, 8)))
    assert keys["general.architecture"] == "deepseek2"
    assert keys["deepseek2.attention.head_count_kv"] == 1
    assert keys["deepseek2.attention.key_length"] == 24
    assert keys["deepseek2.attention.value_length"] == 16
    assert keys["deepseek2.attention.key_length_mla"] == keys["deepseek2.attention.value_length_mla"] == 32
    assert keys["tokenizer.ggml.eot_token_id"] == 2
    assert keys["tokenizer.ggml.eom_token_id"] == 3


def test_glmocr(tmp_path: Path) -> None:
    old = arrays(
        blk__0__ffn_gate__weight=(6, 8),
        blk__0__ffn_up__weight=(6, 8),
        blk__0__attn_out__weight=(8, 8),
        blk__0__post_ffn_norm__weight=(8,),
        v__patch_embd_0__weight=(8, 3, 4, 4),
    )
    given = {".attention.key_length": 4, ".rope.mrope_section": [1, 1, 2], ".vision.out_hidden_size": 24}
    keys, tensors = text_of(tmp_path, "glmocr", given | EYES, old)
    assert keys["general.architecture"] == "glm4"
    assert keys["glm4.rope.dimension_sections"] == (1, 1, 2, 0)
    assert keys["glm4.rope.dimension_count"] == 4
    same(
        tensors,
        {
            "blk.0.ffn_up.weight": np.concatenate([old["blk.0.ffn_gate.weight"], old["blk.0.ffn_up.weight"]]),
            "blk.0.attn_output.weight": old["blk.0.attn_out.weight"],
            "blk.0.post_ffw_norm.weight": old["blk.0.post_ffn_norm.weight"],
        },
    )
    keys, tensors = projector_of(tmp_path, "glmocr", given, old)
    assert keys["clip.vision.projection_dim"] == 24
    assert list(tensors) == ["v.patch_embd.weight"]


def test_deepseekocr(tmp_path: Path) -> None:
    old = arrays(
        blk__1__ffn_down_exps__weight=(4, 8, 6),
        blk__1__ffn_down_shexp__weight=(8, 12),
        s__blk__0__attn__rel_pos_h=(3, 4),
        s__position_embd=(4, 8),
        v__blk__0__self_attn__out_proj__weight=(8, 8),
        mm__layers__weight=(8, 8),
        mm__view_seperator=(8,),
    )
    keys, tensors = text_of(tmp_path, "deepseekocr", EYES, old)
    assert keys["general.architecture"] == "deepseek2-ocr"
    assert keys["deepseek2-ocr.expert_feed_forward_length"] == 6
    assert keys["deepseek2-ocr.expert_shared_count"] == 2
    assert all(name.startswith("blk.") for name in tensors)
    keys, tensors = projector_of(tmp_path, "deepseekocr", {".vision.head_count": 2}, old)
    assert keys["clip.vision.attention.head_count"] == 2
    assert set(tensors) == {
        "v.sam.blk.0.attn.pos_h.weight",
        "v.sam.pos_embd.weight",
        "v.blk.0.attn_out.weight",
        "mm.model.fc.weight",
        "v.view_seperator",
    }
