"""The other layouts: files as Ollama has them, and what llama.cpp must find in them; and what holds for all."""

import base64
from pathlib import Path

import numpy as np
import pytest
from tests.models.layouts.files import arrays, write
from tests.models.layouts.translated import BASE, EYES, projector_of, same, text_of

from puna.models.gguf import read_gguf
from puna.models.layouts.families import ALL
from puna.models.layouts.translation import language_model, layout_of


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


def test_snowflake(tmp_path: Path) -> None:
    table = bytes(range(7, 40))
    letters = list(base64.b64encode(table).decode())
    given = {"tokenizer.ggml.precompiled_charsmap": letters, "tokenizer.ggml.model": "t5"}
    keys, _ = text_of(tmp_path, "bert", given, arrays(token_embd__weight=(4, 8)))
    assert keys["tokenizer.ggml.precompiled_charsmap"] == tuple(table)


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
