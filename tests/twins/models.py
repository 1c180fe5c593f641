"""The architectures: what each has, and how Ollama's converter called it (``convert/convert_*.go``)."""

from tests.twins.files import (
    EYE,
    EYE_BLOCKS,
    EYE_INNER,
    HEADS,
    WIDTH,
    Keys,
    Shapes,
    Twin,
    attention,
    base,
    dense,
    experts,
    in_block,
    norms,
    vision,
)

_EXPERTS: Keys = {".expert_count": 4, ".expert_used_count": 2, ".expert_feed_forward_length": 32}


def _gemma4() -> Twin:
    """Sliding and full layers, experts beside the dense part, embeddings of each layer, caches shared by the last."""
    sliding = [True, True, False, True, True, False]
    text: Shapes = {
        "per_layer_token_embd": (0, 8 * len(sliding)),
        "per_layer_model_proj": (8 * len(sliding), WIDTH),
        "per_layer_proj_norm": (8,),
        "rope_freqs": (16,),
    }
    for block, slides in enumerate(sliding):
        inside = attention(16 if slides else 32, normed=True) | dense() | experts(4, shared=False)
        if not slides:
            del inside["attn_v"]  # keys serve as values
        inside |= norms("attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm", "post_norm")
        inside |= norms("post_ffw_norm_1", "pre_ffw_norm_2", "post_ffw_norm_2")
        inside |= {"ffn_gate_inp.scale": (WIDTH,), "ffn_down_exps.scale": (4,), "layer_output_scale": (1,)}
        inside |= {"inp_gate": (8, WIDTH), "proj": (WIDTH, 8)}
        text |= in_block(block, inside)
    seen: Shapes = {
        "v.patch_embd": (EYE, 3, 16, 16),
        "v.position_embd.weight": (2, 1200, EYE),
        "v.std_bias": (EYE,),
        "v.std_scale": (EYE,),
        "mm.input_projection": (WIDTH, EYE),
    }
    for block in range(EYE_BLOCKS):
        inside = norms("ln1", "ln2", "attn_post_norm", "ffn_post_norm", width=EYE)
        inside |= norms("attn_q_norm", "attn_k_norm", width=EYE // 4)
        inside |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (EYE, EYE))
        inside |= {"ffn_gate": (EYE_INNER, EYE), "ffn_up": (EYE_INNER, EYE), "ffn_down": (EYE, EYE_INNER)}
        seen |= in_block(block, inside, "v.")
    keys = base(32, len(sliding), embedding_length_per_layer_input=8, final_logit_softcapping=30.0)
    keys |= {".attention.sliding_window": 32, ".attention.sliding_window_pattern": sliding}
    keys |= {".attention.shared_kv_layers": 3, ".rope.freq_base": 1e6, ".rope.freq_base_swa": 1e4}
    for name in ("attention.key_length", "attention.value_length", "rope.dimension_count"):
        keys |= {f".{name}": 32, f".{name}_swa": 16}
    return Twin(
        architecture="gemma4",
        keys=keys | _EXPERTS,
        text=text,
        renamed={"ffn_down_exps.scale": "ffn_gate_inp.per_expert_scale"},
        old={"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "gemma4"},
        tokenizer={"tokenizer.ggml.model": "gemma4", "tokenizer.ggml.pre": "gemma4"},
        seen=seen,
        eyes={f"vision.{key}": value for key, value in vision(patch_size=16, projector__scale_factor=2).items()}
        | {"clip.vision.projector_type": "gemma4v", "clip.vision.image_size": 224}
        | {"clip.vision.image_mean": [0.0] * 3, "clip.vision.image_std": [1.0] * 3},
        hidden={"v.clamp_data": (60,)},
    )


_STATE, _RANK = 16, 4


def _deltas(*, joined: bool) -> Shapes:
    """Return the tensors of a layer of Qwen's linear attention."""
    mixed = 2 * _STATE * 2 + _STATE * _RANK
    found: Shapes = {"attn_qkv": (mixed, WIDTH), "attn_gate": (_STATE * _RANK, WIDTH), "ssm_conv1d": (mixed, 4)}
    found |= {"ssm_dt.bias": (_RANK,), "ssm_a": (_RANK,), "ssm_norm": (_STATE,), "ssm_out": (WIDTH, _STATE * _RANK)}
    parts: Shapes = (
        {"ssm_ba": (2 * _RANK, WIDTH)} if joined else dict.fromkeys(("ssm_alpha", "ssm_beta"), (_RANK, WIDTH))
    )
    return found | parts


def _qwen(architecture: str, *, joined: bool) -> Twin:
    """Three layers of linear attention, then one of the usual."""
    text: Shapes = {}
    for block in range(4):
        inside = _deltas(joined=joined) if block < 3 else attention(32, normed=True, twice=True)
        inside |= norms("attn_norm", "post_attention_norm", "ffn_gate_inp_shexp") | experts(4)
        text |= in_block(block, inside)
    keys = base(32, 4, ssm__conv_kernel=4, ssm__inner_size=64, ssm__state_size=_STATE, ssm__time_step_rank=_RANK)
    keys |= {".ssm.group_count": 2, ".full_attention_interval": 4, ".rope.freq_base": 1e7, ".rope.dimension_count": 8}
    keys |= _EXPERTS | {".expert_shared_feed_forward_length": 32}
    del keys[".feed_forward_length"]
    return Twin(
        architecture=architecture,
        keys=keys,
        text=text,
        renamed={"ssm_dt.bias": "ssm_dt"},
        old={".attention.head_count_kv": [0, 0, 0, keys[".attention.head_count_kv"]]},
    )


def _qwen35moe() -> Twin:
    twin = _qwen("qwen35moe", joined=False)
    twin.old |= {".rope.dimension_sections": [2, 1, 1], ".feed_forward_length": 0, ".rope.mrope_interleaved": True}
    twin.new |= {".rope.dimension_sections": [2, 1, 1, 0]}
    twin.hidden = {"mtp.norm": (WIDTH,)}
    return twin


def _llama4() -> Twin:
    """Experts in every second layer, and a tower whose names are Llama's own."""
    text: Shapes = {"rope_freqs": (8,)}
    for block in range(4):
        inside = attention(16) | (experts(16) if block % 2 else dense()) | norms("attn_norm", "ffn_norm")
        text |= in_block(block, inside)
    seen: Shapes = {
        "v.patch_embd": (EYE, 3 * 14 * 14),
        "v.class_embd": (EYE,),
        "v.position_embd.weight": (17, EYE),
        "mm.model.mlp.1": (EYE_INNER, 4 * EYE),
        "mm.model.mlp.2": (EYE_INNER, EYE_INNER),
        "mm.model.fc": (WIDTH, EYE_INNER),
    }
    for name in ("pre_ln", "post_ln"):
        seen |= {f"v.{name}": (EYE,), f"v.{name}.bias": (EYE,)}
    for block in range(EYE_BLOCKS):
        parts: Shapes = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (EYE, EYE))
        parts |= {"ffn_up": (EYE_INNER, EYE), "ffn_down": (EYE, EYE_INNER)} | norms("ln1", "ln2", width=EYE)
        parts |= {f"{name}.bias": shape[:1] for name, shape in parts.items()}
        seen |= in_block(block, parts, "v.")
    sizes: Keys = {f"vision.{key}": value for key, value in vision(patch_size=14, image_size=56).items()}
    return Twin(
        architecture="llama4",
        keys=base(16, 4, rope__freq_base=5e5, rope__dimension_count=16, interleave_moe_layer_step=2)
        | {".expert_count": 16, ".expert_used_count": 1, ".expert_feed_forward_length": 32},
        text=text,
        renamed={
            "mm.model.mlp.1": "v.vision_adapter.mlp.fc1",
            "mm.model.mlp.2": "v.vision_adapter.mlp.fc2",
            "mm.model.fc": "mm.linear_1",
            "v.class_embd": "v.class_embedding",
            "v.post_ln": "v.layernorm_post",
            "v.pre_ln": "v.layernorm_pre",
            "v.patch_embd": "v.patch_embedding",
            "v.position_embd.weight": "v.positional_embedding_vlm",
        }
        | {
            f"v.blk.{block}.{now}": f"v.blk.{block}.{old}" for block in range(EYE_BLOCKS) for now, old in _LLAMA.items()
        },
        old={".vision.pixel_shuffle_ratio": 0.5, ".vision.layer_norm_epsilon": 1e-6},
        seen=seen,
        eyes=sizes
        | {"clip.projector_type": "llama4", "clip.use_gelu": True, "clip.vision.projector.scale_factor": 2}
        | {"clip.vision.image_mean": [0.5] * 3, "clip.vision.image_std": [0.5] * 3},
    )


_LLAMA = {"attn_out": "attn_output", "ln1": "attn_norm", "ln2": "ffn_norm", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"}


def _laguna() -> Twin:
    """A gate for each head, and positions of their own in sliding layers."""
    text: Shapes = {}
    for block in range(4):
        inside = attention(16, normed=True) | norms("attn_norm", "ffn_norm") | {"attn_gate": (HEADS, WIDTH)}
        inside |= (experts(4) | {"exp_probs_b.bias": (4,)}) if block else dense()
        text |= in_block(block, inside)
    keys = base(16, 4, leading_dense_block_count=1, attention__sliding_window=32, rope__dimension_count=8) | _EXPERTS
    keys |= {".attention.sliding_window_pattern": [False, True, True, True], ".rope.freq_base": 5e5}
    keys |= {".expert_shared_feed_forward_length": 32, ".expert_gating_func": 2, ".expert_weights_scale": 2.5}
    return Twin(
        architecture="laguna",
        keys=keys,
        text=text,
        renamed={"attn_gate": "attn_g"},
        old={".rope.swa.dimension_count": 16, ".rope.swa.freq_base": 1e4},
        new={".rope.dimension_count_swa": 16, ".rope.freq_base_swa": 1e4},
    )


def _nemotron() -> Twin:
    """One layer each of Mamba, of experts that work on fewer numbers than the model is wide, and of attention."""
    mixer: Shapes = {"ssm_in": (2 * 64 + 2 * 2 * 16 + 4, WIDTH), "ssm_conv1d": (128, 4), "ssm_conv1d.bias": (128,)}
    mixer |= {"ssm_dt.bias": (4,), "ssm_a": (4, 1), "ssm_d": (4, 1), "ssm_norm": (2, 32), "ssm_out": (WIDTH, 64)}
    sparse: Shapes = {"ffn_gate_inp": (4, WIDTH), "exp_probs_b.bias": (4,), "ffn_latent_down": (32, WIDTH)}
    sparse |= {"ffn_latent_up": (WIDTH, 32), "ffn_up_exps": (4, 32, 32), "ffn_down_exps": (4, 32, 32)}
    sparse |= {"ffn_up_shexp": (32, WIDTH), "ffn_down_shexp": (WIDTH, 32)}
    text: Shapes = {}
    for block, inside in enumerate((mixer, sparse, attention(16))):
        text |= in_block(block, inside | norms("attn_norm"))
    keys = base(16, 3, attention__layer_norm_epsilon=1e-5, rope__dimension_count=16, ssm__conv_kernel=4) | _EXPERTS
    keys |= {".ssm.inner_size": 64, ".ssm.state_size": 16, ".ssm.time_step_rank": 4, ".ssm.group_count": 2}
    keys |= {".attention.head_count_kv": [0, 0, 2], ".feed_forward_length": [0, 32, 0]}
    keys |= {".expert_shared_feed_forward_length": 32, ".expert_shared_count": 1, ".expert_weights_norm": True}
    return Twin(
        architecture="nemotron_h_moe",
        keys=keys,
        text=text,
        renamed={"ffn_latent_down": "ffn_latent_in", "ffn_latent_up": "ffn_latent_out"},
        new={".moe_latent_size": 32},
        hidden={"mtp.fc": (WIDTH, 2 * WIDTH)},
    )


TWINS = {
    "gemma4": _gemma4,
    "qwen35moe": _qwen35moe,
    "qwen3next": lambda: _qwen("qwen3next", joined=True),
    "llama4": _llama4,
    "laguna": _laguna,
    "nemotron_h_moe": _nemotron,
}
