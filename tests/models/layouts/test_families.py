"""Each layout: a file as Ollama has the architecture, and what llama.cpp must find in it."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.layouts.files import TOKENS, Arrays, arrays, content, random, write, written
from tests.scheduler.mtp import write_former_mtp, write_mtp

from puna.models.gguf import read_gguf
from puna.models.layouts.families import ALL
from puna.models.layouts.translation import language_model, layout_of, projector
from puna.models.library import Library

BASE = {".block_count": 1, ".embedding_length": 8, ".context_length": 512}
EYES = {".vision.block_count": 2, ".vision.embedding_length": 8, ".vision.patch_size": 4}
MERGER = {
    ".vision.attention.head_count": 2,
    ".vision.spatial_merge_size": 2,
    ".vision.num_channels": 3,
}


def text_of(
    tmp_path: Path, architecture: str, keys: dict[str, Any], tensors: Arrays, tokens: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    path = write(tmp_path / "old.gguf", architecture, BASE | keys, tensors, tokens=tokens)
    translation = language_model(read_gguf(path))
    assert translation is not None
    return written(translation, tmp_path / "new.gguf")


def projector_of(
    tmp_path: Path, architecture: str, keys: dict[str, Any], tensors: Arrays
) -> tuple[dict[str, Any], dict[str, Any]]:
    path = write(tmp_path / "old.gguf", architecture, BASE | EYES | keys, tensors, tokens=4)
    translation = projector(read_gguf(path))
    assert translation is not None
    found, new = written(translation, tmp_path / "new.gguf")
    assert found["general.architecture"] == "clip"
    assert found["general.type"] == "mmproj"
    assert not [key for key in found if key.startswith(("tokenizer.", f"{architecture}."))]
    return found, new


def same(found: Arrays, expected: Arrays) -> None:
    assert list(found) == list(expected)
    for name, data in expected.items():
        np.testing.assert_array_equal(found[name], data, err_msg=name)


def test_gptoss(tmp_path: Path) -> None:
    old = arrays(
        blk__0__attn_out__weight=(8, 8),
        blk__0__attn_sinks=(2,),
        blk__0__ffn_norm__weight=(8,),
        blk__0__ffn_gate_exps__weight=(3, 5, 8),
    )
    keys, tensors = text_of(tmp_path, "gptoss", {"tokenizer.ggml.pre": "default", ".rope.freq_base": 1e5}, old)
    assert keys["general.architecture"] == "gpt-oss"
    assert keys["gpt-oss.rope.freq_base"] == pytest.approx(1e5)
    assert keys["gpt-oss.expert_feed_forward_length"] == 5
    assert keys["gpt-oss.rope.scaling.type"] == "yarn"
    assert keys["tokenizer.ggml.pre"] == "gpt-4o"
    same(
        tensors,
        {
            "blk.0.attn_output.weight": old["blk.0.attn_out.weight"],
            "blk.0.attn_sinks.weight": old["blk.0.attn_sinks"],
            "blk.0.post_attention_norm.weight": old["blk.0.ffn_norm.weight"],
            "blk.0.ffn_gate_exps.weight": old["blk.0.ffn_gate_exps.weight"],
        },
    )


def test_gemma3_text(tmp_path: Path) -> None:
    old = arrays(token_embd__weight=(4, 8), v__blk__0__ln1__weight=(8,), mm__mm_soft_emb_norm__weight=(8,))
    given = {".rope.global.freq_base": 2e6, ".context_length": 131_072}
    keys, tensors = text_of(tmp_path, "gemma3", given, old, tokens=6)
    assert keys["gemma3.rope.freq_base"] == pytest.approx(2e6)
    assert keys["gemma3.rope.freq_base_swa"] == pytest.approx(1e4)
    assert keys["gemma3.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-6)
    assert keys["gemma3.rope.scaling.type"] == "linear"
    assert keys["gemma3.rope.scaling.factor"] == 8
    assert keys["tokenizer.ggml.tokens"] == tuple(TOKENS[:4])
    assert len(keys["tokenizer.ggml.token_type"]) == 4
    assert "<start_of_turn>" in keys["tokenizer.chat_template"]
    same(tensors, {"token_embd.weight": old["token_embd.weight"]})


def test_gemma3_projector(tmp_path: Path) -> None:
    old = arrays(
        token_embd__weight=(4, 8),
        v__patch_embedding__weight=(8, 3, 4, 4),
        v__position_embedding__weight=(9, 8),
        v__blk__0__layer_norm1__weight=(8,),
        v__blk__0__attn_output__weight=(8, 8),
        v__blk__0__mlp__fc1__weight=(16, 8),
        v__blk__0__mlp__fc2__weight=(8, 16),
        v__post_layernorm__bias=(8,),
        mm__mm_input_projection__weight=(8, 8),
        mm__mm_soft_emb_norm__weight=(8,),
    )
    keys, tensors = projector_of(tmp_path, "gemma3", {".vision.image_size": 12}, old)
    assert keys["clip.projector_type"] == "gemma3"
    assert keys["clip.vision.projection_dim"] == 8
    assert keys["clip.vision.image_size"] == 12
    assert keys["clip.vision.image_mean"] == (0.5, 0.5, 0.5)
    assert keys["clip.use_gelu"] is True
    same(
        tensors,
        {
            "v.patch_embd.weight": old["v.patch_embedding.weight"].astype(np.float32),
            "v.position_embd.weight": old["v.position_embedding.weight"].astype(np.float32),
            "v.blk.0.ln1.weight": old["v.blk.0.layer_norm1.weight"],
            "v.blk.0.attn_out.weight": old["v.blk.0.attn_output.weight"],
            "v.blk.0.ffn_down.weight": old["v.blk.0.mlp.fc1.weight"],
            "v.blk.0.ffn_up.weight": old["v.blk.0.mlp.fc2.weight"],
            "v.post_ln.bias": old["v.post_layernorm.bias"],
            "mm.input_projection.weight": old["mm.mm_input_projection.weight"],
            "mm.soft_emb_norm.weight": old["mm.mm_soft_emb_norm.weight"],
        },
    )


def test_gemma3_without_marks_stays_as_it_is(tmp_path: Path) -> None:
    keys = BASE | {".attention.layer_norm_rms_epsilon": 1e-6, ".rope.freq_base": 1e6}
    path = write(tmp_path / "new.gguf", "gemma3", keys, arrays(token_embd__weight=(4, 8)), tokens=4)
    assert layout_of(read_gguf(path)) is None


def test_embeddinggemma(tmp_path: Path) -> None:
    old = arrays(token_embd__weight=(4, 8), norm__weight=(8,), dense__0__weight=(16, 8), dense__1__weight=(8, 16))
    given = {".attention.causal": False, ".rope.local.freq_base": 1e4}
    keys, tensors = text_of(tmp_path, "gemma3", given, old)
    assert keys["general.architecture"] == "gemma-embedding"
    assert "gemma-embedding.attention.causal" not in keys
    assert [keys[f"gemma-embedding.dense_{layer}_feat_{way}"] for layer in (2, 3) for way in ("in", "out")] == [
        8,
        16,
        16,
        8,
    ]
    assert list(tensors) == ["token_embd.weight", "output_norm.weight", "dense_2.weight", "dense_3.weight"]


def test_snowflake(tmp_path: Path) -> None:
    table = bytes(range(7, 40))
    letters = list(base64.b64encode(table).decode())
    given = {"tokenizer.ggml.precompiled_charsmap": letters, "tokenizer.ggml.model": "t5"}
    keys, _ = text_of(tmp_path, "bert", given, arrays(token_embd__weight=(4, 8)))
    assert keys["tokenizer.ggml.precompiled_charsmap"] == tuple(table)


def test_gemma3n(tmp_path: Path) -> None:
    old = arrays(token_embd__weight=(6, 8), per_layer_token_embd__weight=(4, 8))
    path = tmp_path / "old.gguf"
    write(path, "gemma3n", BASE | {"tokenizer.ggml.eos_token_ids": [1]}, old, tokens=6)
    path.write_bytes(path.read_bytes().replace(b"<1>", b"<u>"))
    translation = language_model(read_gguf(path))
    assert translation is not None
    keys, tensors = written(translation, tmp_path / "new.gguf")
    assert keys["tokenizer.ggml.model"] == "llama"
    assert len(keys["tokenizer.ggml.tokens"]) == len(keys["tokenizer.ggml.token_type"]) == 4
    assert keys["tokenizer.ggml.eos_token_ids"] == (1, 106)
    np.testing.assert_array_equal(tensors["token_embd.weight"], old["token_embd.weight"][:4])


def test_gemma4(tmp_path: Path) -> None:
    given = {
        "tokenizer.ggml.model": "llama",
        ".audio.block_count": 1,
        ".audio.embedding_length": 8,
    }
    old = arrays(
        blk__0__ffn_gate_inp__per_expert_scale=(4,),
        v__patch_embd__weight=(8, 3, 4, 4),
        a__pre_encode__out__weight=(8, 8),
        mm__a__fc__weight=(8, 8),
        a__blk__0__ln1__weight=(8,),
        a__blk__0__ln2__weight=(8,),
        a__blk__0__layer_pre_norm__weight=(8,),
        a__blk__0__linear_pos__weight=(8, 8),
    )
    keys, tensors = text_of(tmp_path, "gemma4", given, old)
    assert keys["tokenizer.ggml.model"] == "gemma4"
    same(tensors, {"blk.0.ffn_down_exps.scale": old["blk.0.ffn_gate_inp.per_expert_scale"]})
    del given["tokenizer.ggml.model"]
    keys, tensors = projector_of(tmp_path, "gemma4", given, old)
    assert keys["clip.vision.projector_type"] == "gemma4v"
    assert keys["clip.audio.projector_type"] == "gemma4a"
    assert keys["clip.audio.num_mel_bins"] == 128
    assert keys["clip.vision.image_size"] == 224
    same(
        tensors,
        {
            "v.patch_embd.weight": old["v.patch_embd.weight"].astype(np.float32),
            "a.input_projection.weight": old["a.pre_encode.out.weight"],
            "a.pre_encode.out.weight": old["mm.a.fc.weight"],
            "a.blk.0.attn_pre_norm.weight": old["a.blk.0.ln1.weight"],
            "a.blk.0.attn_post_norm.weight": old["a.blk.0.ln2.weight"],
            "a.blk.0.ln2.weight": old["a.blk.0.layer_pre_norm.weight"],
            "a.blk.0.attn_k_rel.weight": old["a.blk.0.linear_pos.weight"],
        },
    )


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


def test_mistral3(tmp_path: Path) -> None:
    given = {
        ".rope.scaling.beta_fast": 32.0,
        ".rope.scaling.mscale_all_dim": 1.5,
        ".rope.scaling_beta": 0.1,
        "tokenizer.ggml.pre": "default",
        ".vision.attention.head_count": 2,
        ".spatial_merge_size": 2,
    }
    old = arrays(
        token_embd__weight=(4, 8),
        v__patch_conv__weight=(8, 3, 4, 4),
        v__blk__0__attn_q__weight=(8, 8),
        v__blk__0__attn_norm__weight=(8,),
        v__encoder_norm__weight=(8,),
        mm__linear_1__weight=(8, 8),
        mm__norm__weight=(8,),
        mm__patch_merger__merging_layer__weight=(8, 32),
    )
    keys, tensors = text_of(tmp_path, "mistral3", given | EYES, old)
    assert keys["mistral3.rope.scaling.yarn_beta_fast"] == 32
    assert keys["mistral3.rope.scaling.yarn_log_multiplier"] == 1.5
    assert keys["mistral3.attention.temperature_scale"] == pytest.approx(0.1)
    assert keys["tokenizer.ggml.pre"] == "tekken"
    keys, tensors = projector_of(tmp_path, "mistral3", given, old)
    assert keys["clip.projector_type"] == "pixtral"
    query = old["v.blk.0.attn_q.weight"]
    np.testing.assert_array_equal(tensors["v.blk.0.attn_q.weight"], query[[0, 2, 1, 3, 4, 6, 5, 7]])
    np.testing.assert_array_equal(tensors["v.token_embd.img_break"], np.zeros(8, np.float32))
    assert {"v.patch_embd.weight", "v.pre_ln.weight", "mm.1.weight", "mm.input_norm.weight"} < set(tensors)


def test_llama4(tmp_path: Path) -> None:
    given = {".vision.pixel_shuffle_ratio": 0.5}
    old = arrays(
        token_embd__weight=(4, 8),
        v__positional_embedding_vlm=(5, 8),
        v__class_embedding=(8,),
        v__blk__0__mlp__fc1__weight=(8, 8),
        v__vision_adapter__mlp__fc1__weight=(8, 8),
        mm__linear_1__weight=(8, 8),
    )
    _, tensors = text_of(tmp_path, "llama4", given | EYES, old)
    assert list(tensors) == ["token_embd.weight"]
    keys, tensors = projector_of(tmp_path, "llama4", given, old)
    assert keys["clip.projector_type"] == keys["clip.vision.projector_type"] == "llama4"
    assert keys["clip.vision.projector.scale_factor"] == 2
    assert set(tensors) == {
        "v.position_embd.weight",
        "v.class_embd",
        "v.blk.0.ffn_up.weight",
        "mm.model.mlp.1.weight",
        "mm.model.fc.weight",
    }


def test_lfm2(tmp_path: Path) -> None:
    old = arrays(output_norm__weight=(8,), blk__0__ffn_gate__weight=(16, 8))
    keys, tensors = text_of(tmp_path, "lfm2", {".feed_forward_length": 24}, old)
    assert keys["lfm2.feed_forward_length"] == 16
    assert keys["tokenizer.ggml.pre"] == "lfm2"
    assert list(tensors) == ["token_embd_norm.weight", "blk.0.ffn_gate.weight"]


def test_olmo3(tmp_path: Path) -> None:
    keys, _ = text_of(tmp_path, "olmo3", {".rope.freq_base": 5e5}, arrays(token_embd__weight=(4, 8)))
    assert keys["general.architecture"] == "olmo2"
    assert keys["olmo2.rope.freq_base"] == pytest.approx(5e5)


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


def test_nemotron_latent(tmp_path: Path) -> None:
    old = arrays(blk__1__ffn_latent_in__weight=(5, 8), blk__1__ffn_latent_out__weight=(8, 5), mtp__norm__weight=(8,))
    keys, tensors = text_of(tmp_path, "nemotron_h_moe", {}, old)
    assert keys["nemotron_h_moe.moe_latent_size"] == 5
    assert list(tensors) == ["blk.1.ffn_latent_down.weight", "blk.1.ffn_latent_up.weight"]


def test_nemotron_omni(tmp_path: Path) -> None:
    given = {".expert_count": 4, ".vision.image_size": 8}
    old = arrays(
        token_embd__weight=(4, 8),
        v__cls_embd=(1, 8),
        v__position_embd=(9, 8),
        v__patch_embd__weight=(8, 48),
        mm__norm__weight=(8,),
        a__blk__0__ln1__weight=(8,),
    )
    keys, tensors = text_of(tmp_path, "nemotron_h_omni", given | EYES, old)
    assert keys["general.architecture"] == "nemotron_h_moe"
    assert keys["nemotron_h_moe.expert_count"] == 4
    assert list(tensors) == ["token_embd.weight"]
    keys, tensors = projector_of(tmp_path, "nemotron_h_omni", given, old)
    assert keys["clip.vision.projector_type"] == "nemotron_v2_vl"
    assert keys["clip.has_audio_encoder"] is False
    assert set(tensors) == {"v.class_embd", "v.position_embd.weight", "v.patch_embd.weight", "mm.model.mlp.0.weight"}
    corners = old["v.position_embd"].astype(np.float32).reshape(3, 3, 8)[::2, ::2].reshape(4, 8)
    np.testing.assert_allclose(tensors["v.position_embd.weight"], corners)  # two on each side: the corners of three
    assert tensors["v.patch_embd.weight"].shape == (8, 3, 4, 4)


def test_laguna(tmp_path: Path) -> None:
    old = arrays(blk__0__attn_g__weight=(8, 8))
    keys, tensors = text_of(tmp_path, "laguna", {".rope.swa.freq_base": 1e4, ".rope.swa.dimension_count": 4}, old)
    assert keys["laguna.rope.freq_base_swa"] == pytest.approx(1e4)
    assert keys["laguna.rope.dimension_count_swa"] == 4
    assert list(tensors) == ["blk.0.attn_gate.weight"]


def llama3(tmp_path: Path, end_of_text: str, pre: str) -> Path:
    tokens = [f"t{index}" for index in range(128_256)]
    tokens[128_001], tokens[128_006], tokens[128_009] = end_of_text, "<|start_header_id|>", "<|eot_id|>"
    keys = BASE | {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.eos_token_id": 128_001,
    }
    return write(tmp_path / "llama.gguf", "llama", keys, arrays(token_embd__weight=(4, 8)))


def test_llama3_ends_with_its_turn(tmp_path: Path) -> None:
    translation = language_model(read_gguf(llama3(tmp_path, "<|end_of_text|>", "default")))
    assert translation is not None
    keys, _ = written(translation, tmp_path / "new.gguf")
    assert keys["tokenizer.ggml.pre"] == "llama-bpe"
    assert keys["tokenizer.ggml.eos_token_id"] == keys["tokenizer.ggml.eot_token_id"] == 128_009
    assert keys["tokenizer.ggml.eos_token_ids"] == (128_009,)


def test_a_distillation_keeps_its_own_end(tmp_path: Path) -> None:
    """DeepSeek's own end of a sentence stands where Llama 3 has the end of a text."""
    own = "<｜end▁of▁sentence｜>"
    assert layout_of(read_gguf(llama3(tmp_path, own, "llama-bpe"))) is None
    translation = language_model(read_gguf(llama3(tmp_path, own, "default")))
    assert translation is not None
    keys, _ = written(translation, tmp_path / "new.gguf")
    assert keys["tokenizer.ggml.pre"] == "llama-bpe"
    assert keys["tokenizer.ggml.eos_token_id"] == 128_001


def test_llava_projector_without_a_type(tmp_path: Path) -> None:
    given = {"clip.has_vision_encoder": True}
    path = write(tmp_path / "old.gguf", "clip", given, arrays(v__class_embd=(8,)))
    translation = language_model(read_gguf(path))
    assert translation is not None
    keys, _ = written(translation, tmp_path / "new.gguf")
    assert keys["clip.projector_type"] == "mlp"


def test_every_layout_has_a_name_of_its_own() -> None:
    names = [layout.name for layout in ALL]
    assert len(set(names)) == len(names)


def test_no_layout_fits_what_it_has_made(tmp_path: Path) -> None:
    """Translating twice would be a sign that a mark does not tell the two layouts apart."""
    old = arrays(token_embd__weight=(4, 8), blk__0__ffn_gate__weight=(16, 8), output_norm__weight=(8,))
    for layout in ALL:
        for architecture in layout.architectures:
            path = write(tmp_path / f"{architecture}.gguf", architecture, BASE, old, tokens=4)
            translation = language_model(read_gguf(path))
            if translation is not None and layout.name != "gemma3":  # which Ollama's own mark takes for old by its keys
                assert layout_of(translation.gguf) is None, layout.name
