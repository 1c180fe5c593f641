"""Gemma: files as Ollama has them, and what llama.cpp must find in them."""

from pathlib import Path

import numpy as np
import pytest
from tests.models.layouts.files import TOKENS, arrays, write, written
from tests.models.layouts.translated import BASE, projector_of, same, text_of

from puna.models.gguf import read_gguf
from puna.models.layouts.translation import language_model, layout_of


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
