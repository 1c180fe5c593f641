"""Names of tensors in checkpoints of each family, and settings that a family cannot express."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from puna.models.create.convert.config import Config
from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.families.registry import BY_ARCHITECTURE, find_family
from puna.models.create.convert.family import Family
from puna.models.create.convert.rope import read_rope

SCALED = {"factor": 8.0, "rope_type": "linear"}
SHAPE = {"num_hidden_layers": 6, "hidden_size": 64, "num_attention_heads": 4, "max_position_embeddings": 128}


def family(architecture: str, **settings: Any) -> Family:
    return find_family(Config({"architectures": [architecture], **SHAPE, **settings}), Path())


@pytest.mark.parametrize(
    ("architecture", "name", "wanted"),
    [
        ("LlamaForCausalLM", "model.layers.3.self_attn.q_proj.weight", "blk.3.attn_q.weight"),
        ("LlamaForCausalLM", "model.layers.3.self_attn.rotary_emb.inv_freq", None),
        ("LlamaModel", "layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight"),
        ("MistralForCausalLM", "lm_head.weight", "output.weight"),
        ("Qwen2ForCausalLM", "model.layers.1.self_attn.k_proj.bias", "blk.1.attn_k.bias"),
        ("Qwen3Model", "layers.1.self_attn.q_norm.weight", "blk.1.attn_q_norm.weight"),
        ("Gemma2ForCausalLM", "lm_head.weight", None),
        (
            "Gemma2ForCausalLM",
            "model.layers.0.post_feedforward_layernorm.weight",
            "blk.0.post_ffw_norm.weight",
        ),
        ("Gemma3ForConditionalGeneration", "language_model.model.embed_tokens.weight", "token_embd.weight"),
        ("Gemma3ForConditionalGeneration", "model.language_model.norm.weight", "output_norm.weight"),
        ("Gemma3ForConditionalGeneration", "vision_tower.vision_model.post_layernorm.weight", None),
        ("Gemma3ForConditionalGeneration", "model.multi_modal_projector.mm_soft_emb_norm.weight", None),
        ("Phi3ForCausalLM", "model.layers.2.self_attn.qkv_proj.weight", "blk.2.attn_qkv.weight"),
        ("BertModel", "bert.encoder.layer.0.attention.self.query.weight", "blk.0.attn_q.weight"),
        ("BertModel", "embeddings.LayerNorm.gamma", "token_embd_norm.weight"),
        ("BertModel", "pooler.dense.weight", None),
        ("BertForMaskedLM", "cls.predictions.bias", None),
        ("NomicBertModel", "encoder.layers.0.attn.Wqkv.weight", "blk.0.attn_qkv.weight"),
        ("NomicBertModel", "encoder.layers.0.mlp.fc12.weight", "blk.0.ffn_gate.weight"),
        ("NomicBertModel", "encoder.layers.0.norm1.bias", "blk.0.attn_output_norm.bias"),
        ("NomicBertModel", "emb_ln.weight", "token_embd_norm.weight"),
        ("NomicBertModel", "layers.5.self_attn.k_proj.weight", "blk.5.attn_k.weight"),
        ("NomicBertModel", "layers.5.self_attn.o_proj.weight", "blk.5.attn_output.weight"),
        ("NomicBertModel", "nomic_bert.layers.5.mlp.gate_proj.weight", "blk.5.ffn_gate.weight"),
        ("NomicBertModel", "layers.5.post_mlp_layernorm.weight", "blk.5.layer_output_norm.weight"),
    ],
)
def test_names_of_tensors(architecture: str, name: str, wanted: str | None) -> None:
    assert family(architecture).gguf_name(name) == wanted


@pytest.mark.parametrize("architecture", BY_ARCHITECTURE)
def test_names_without_a_place_are_refused(architecture: str) -> None:
    with pytest.raises(ConvertError, match=r"'model\.nowhere\.weight' has no place"):
        family(architecture).gguf_name("model.nowhere.weight")


def test_settings_of_a_text_part_come_first(tmp_path: Path) -> None:
    text = {"hidden_size": 2560, "num_hidden_layers": 34, "architectures": None, "rope_scaling": SCALED}
    config = {"architectures": ["Gemma3ForConditionalGeneration"], "hidden_size": 1, "text_config": text}
    (tmp_path / "config.json").write_text(json.dumps(config))
    gemma = find_family(Config.load(tmp_path), tmp_path)
    assert (gemma.width, gemma.blocks) == (2560, 34)
    # What the published file leaves out is what transformers would take.
    assert (gemma.heads, gemma.kv_heads, gemma.head_size) == (8, 4, 256)
    assert (gemma.rope.kind, gemma.rope.theta, gemma.rope.local_theta) == ("linear", 1e6, 1e4)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"sliding_window_pattern": 3}, [True, True, False, True, True, False]),
        ({"layer_types": ["full_attention"] * 5 + ["sliding_attention"]}, [False] * 5 + [True]),
    ],
)
def test_which_layers_see_a_window(settings: dict[str, Any], wanted: list[bool]) -> None:
    writer = gguf.GGUFWriter(None, "gemma3")
    family("Gemma3ForCausalLM", intermediate_size=8, query_pre_attn_scalar=256, **settings).write_parameters(writer)
    assert writer.kv_data[0]["gemma3.attention.sliding_window_pattern"].value == wanted


def test_gemma_scales_that_the_engine_does_not_know() -> None:
    writer = gguf.GGUFWriter(None, "gemma2")
    with pytest.raises(ConvertError, match="query_pre_attn_scalar is 100"):
        family("Gemma2ForCausalLM", head_dim=32, query_pre_attn_scalar=100).write_parameters(writer)


@pytest.mark.parametrize("change", [{"moe_every_n_layers": 2}, {"prenorm": True}, {"hidden_act": "relu"}])
def test_nomic_settings_that_the_engine_does_not_know(change: dict[str, Any]) -> None:
    with pytest.raises(ConvertError, match=next(iter(change))):
        family("NomicBertModel", **change).write_parameters(gguf.GGUFWriter(None, "nomic-bert"))


def test_long_and_short_factors_must_fit_the_head() -> None:
    scaling = {"type": "longrope", "long_factor": [1.0] * 8, "short_factor": [1.0] * 7}
    model = family("Phi3ForCausalLM", rope_scaling=scaling)
    with pytest.raises(ConvertError, match="short_factor must hold 8 numbers"):
        list(model.extra_tensors())
    model = family("Phi3ForCausalLM", rope_scaling={**scaling, "short_factor": [2.0] * 8})
    assert [name for name, _ in model.extra_tensors()] == [
        "rope_factors_long.weight",
        "rope_factors_short.weight",
    ]


OLD = {
    "rope_theta": 500_000.0,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}
NEW = {"rope_parameters": {**OLD["rope_scaling"], "rope_theta": 500_000.0}}  # type: ignore[dict-item]


@pytest.mark.parametrize("settings", [OLD, NEW])
def test_both_spellings_of_rope_settings(settings: dict[str, Any]) -> None:
    rope = read_rope(Config(settings))
    factors = rope.llama3_factors(128)
    assert rope.theta == 500_000.0
    assert factors is not None
    # The published GGUF files of Llama 3.1 begin with ones and end with eights.
    assert factors[0] == 1 and np.isclose(factors[-1], 8)
    assert np.all(np.diff(factors) >= 0)


def test_rope_settings_by_kind_of_layer() -> None:
    kinds = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    }
    rope = read_rope(Config({"rope_parameters": kinds}))
    assert (rope.kind, rope.theta, rope.local_theta) == ("linear", 1e6, 10_000.0)
    older = read_rope(Config({"rope_theta": 1e6, "rope_local_base_freq": 1e4}))
    assert (older.kind, older.theta, older.local_theta) == ("default", 1e6, 1e4)


@pytest.mark.parametrize("low", [0, 4.0])
def test_frequency_factors_that_cannot_be(low: float) -> None:
    scaling = {**OLD["rope_scaling"], "low_freq_factor": low}  # type: ignore[dict-item]
    with pytest.raises(ConvertError, match="no usable frequency factors"):
        read_rope(Config({"rope_scaling": scaling})).llama3_factors(64)
