"""The architectures that people use: which tensors each has, which come together, and how large they are.

What stands here was read in ``load_arch_tensors`` of llama.cpp (``src/models/*.cpp``, one file each). An architecture
that is not here is the engine's business alone. Tensors are written "name: size size, name: size", sizes in ggml's
order by the names of ``sizes.py``; "?" is any, and "/" stands between two that may be. Without another suffix a
tensor's name ends with ".weight".
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from puna.models.fitness.sizes import Measures

Shapes = Mapping[str, tuple[str, ...]]
_WHOLE = frozenset(["ssm_a", "ssm_d"])
"""Tensors without a suffix."""
_SUFFIXES = (".weight", ".bias", ".scale")


def _shapes(text: str) -> Shapes:
    """Return the sizes of tensors by their full names."""
    found = {}
    for item in filter(None, map(str.strip, text.split(","))):
        name, _, sizes = item.partition(":")
        whole = name.endswith(_SUFFIXES) or name in _WHOLE
        found[name if whole else f"{name}.weight"] = tuple(sizes.split())
    return found


@dataclass(frozen=True, slots=True)
class Kit:
    """Tensors that come together: all that it ``needs``, and of those that it ``may`` have any."""

    needs: Shapes = field(default_factory=dict)
    may: Shapes = field(default_factory=dict)

    def __add__(self, other: "Kit") -> "Kit":
        return Kit({**self.needs, **other.needs}, {**self.may, **other.may})


def _kit(needs: str = "", may: str = "") -> Kit:
    return Kit(_shapes(needs), _shapes(may))


@dataclass(frozen=True, slots=True)
class View:
    """A model as the choice of kits sees it."""

    measures: Measures
    names: Collection[str]

    def whole(self, name: str, default: int = 0) -> int:
        """Return a key of the architecture that is a number."""
        value = self.measures.whole(name)
        return default if value is None else value


Choice = Callable[[View, int], Collection[str]]
"""Returns which kits a block has, by their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """``every`` block has its tensors, and those of the kits that ``choose`` names; ``ends`` are of no block.

    ``varies`` are keys of which each block has its own number, where the file lists them.
    """

    every: Kit
    ends: Kit
    kits: Mapping[str, Kit] = field(default_factory=dict)
    choose: Choice = lambda _, __: ()
    ends_too: Callable[[View], Kit] = lambda _: Kit()
    varies: Collection[str] = ()


_HEADS = ("attention.head_count", "attention.head_count_kv")
_HEADS_AND_WIDTHS = (*_HEADS, "feed_forward_length")


# What is the same in many of them.
_NORMS = _kit("attn_norm: width, ffn_norm: width")
_AFTER = _kit("post_attention_norm: width, post_ffw_norm: width")
_HEAD_NORMS = _kit("attn_q_norm: head, attn_k_norm: head")
_DENSE = _kit("ffn_gate: width inner, ffn_up: width inner, ffn_down: inner width")
_DENSE_BIASES = _kit(may="ffn_gate.bias: inner, ffn_up.bias: inner, ffn_down.bias: width")
_TIED = _kit("token_embd: width rows, output_norm: width")
_OUTPUT = _kit(may="output: width rows")
_ENDS = _TIED + _OUTPUT
_RANKS = _kit(may="cls.output: width labels")
_FACTORS = _kit(may="rope_freqs: half_head, rope_factors_long: half_head, rope_factors_short: half_head")


def _attention(q: str = "q", k: str = "k", v: str = "v", joined: str = "qkv", out: str = "q") -> Kit:
    """Return what projects to queries, keys and values, apart or joined (``create_tensor_qkv``), and back."""
    return _kit(
        f"attn_q: width {q}, attn_k: width {k}, attn_v: width {v}, attn_output: {out} width",
        f"attn_q.bias: {q}, attn_k.bias: {k}, attn_v.bias: {v}, attn_qkv: width {joined}, attn_qkv.bias: {joined}",
    )


def _experts(width: str = "width", inner: str = "expert") -> Kit:
    """Return a router and its experts, whose first two matrices lie apart."""
    return _kit(
        f"ffn_gate_inp: width experts, ffn_gate_exps: {width} {inner} experts, ffn_up_exps: {width} {inner} experts, "
        f"ffn_down_exps: {inner} {width} experts"
    )


def _shared(inner: str = "shared") -> Kit:
    """Return the expert that all tokens have."""
    return _kit(f"ffn_gate_shexp: width {inner}, ffn_up_shexp: width {inner}, ffn_down_shexp: {inner} width")


_OF_HEADS = _attention()
_OF_WIDTH = _attention("width", joined="width_kv", out="width")
_ROTATED = _attention("q_rotated", "k_rotated", "k_rotated", "qkv_rotated", "q_rotated")
_OUTPUT_BIAS = _kit(may="attn_output.bias: width")
_JOINED_EXPERTS = _kit(may="ffn_gate_up_exps: width expert_2 experts")
_INSTEAD: Mapping[str, tuple[str, ...]] = {
    "attn_qkv.weight": ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    "ffn_gate_up_exps.weight": ("ffn_gate_exps.weight", "ffn_up_exps.weight"),
    "ssm_in.weight": ("attn_qkv.weight", "attn_gate.weight"),
}
"""Tensors that others may lie joined in."""


def is_joined(name: str, has: Callable[[str], bool]) -> bool:
    """Return whether a tensor need not be there because one that is has it in it."""
    return any(name in parts and has(joined) for joined, parts in _INSTEAD.items())


# Which kits a block has.
def _by_experts(view: View, _: int) -> Collection[str]:
    return ("sparse",) if view.whole("expert_count") else ("dense",)


def _by_experts_and_shared(view: View, block: int) -> Collection[str]:
    chosen = _by_experts(view, block)
    has_shared = "sparse" in chosen and view.whole("expert_shared_feed_forward_length")
    return (*chosen, "shared") if has_shared else chosen


def _by_step(view: View, block: int) -> Collection[str]:
    step = view.whole("interleave_moe_layer_step")
    return ("sparse",) if step > 0 and (block + 1) % step == 0 else ("dense",)


def _by_lead(view: View, block: int) -> Collection[str]:
    return ("dense",) if block < view.whole("leading_dense_block_count") else ("sparse",)


def _by_latent(view: View, block: int) -> Collection[str]:
    """Lite ones say nothing of compressed queries that counts, and are known by their number of blocks."""
    blocks, rows = view.whole("block_count"), view.measures.of_model["rows"]
    blocks -= view.whole("nextn_predict_layers")
    lite = blocks in {26, 27} or (blocks == 48 and rows == _LITE_ROWS)
    queries = "compressed" if view.whole("attention.q_lora_rank") and not lite else "plain"
    split = view.whole("attention.key_length_mla") and view.whole("attention.value_length_mla")
    return (*_by_lead(view, block), queries, "apart" if split else "joined")


_LITE_ROWS = 128256


def _by_groups(view: View, block: int) -> Collection[str]:
    return ("attention",) if view.measures.groups(block) else ("convolution",)


def _by_interval(view: View, block: int) -> Collection[str]:
    """Return the kind of attention; where the file lists it, that is as the tensors are."""
    if view.measures.has("attention.recurrent_layers"):
        return ("linear",) if f"blk.{block}.ssm_conv1d.weight" in view.names else ("attention",)
    interval = view.whole("full_attention_interval", 4)
    return ("linear",) if interval and (block + 1) % interval else ("attention",)


def _by_lists(view: View, block: int) -> Collection[str]:
    """Return what a block of Nemotron-H is by its numbers of groups and its inner width."""
    if view.measures.inner(block):
        chosen = _by_experts(view, block)
        return (*chosen, "latent") if "sparse" in chosen and view.whole("moe_latent_size") else chosen
    return ("attention",) if view.measures.groups(block) else ("mamba",)


def _of_gemma4(view: View, block: int) -> Collection[str]:
    """The last blocks may have no keys of their own; experts are in the blocks that have a router."""
    own = view.whole("block_count") - view.whole("attention.shared_kv_layers")
    parts = {
        "keys": block < own,
        "sparse": f"blk.{block}.ffn_gate_inp.weight" in view.names,
        "layers": bool(view.whole("embedding_length_per_layer_input")),
    }
    return [name for name, there in parts.items() if there]


def _ends_of_gemma4(view: View) -> Kit:
    """Layers that see all of a text turn by factors; embeddings of each layer are there if they have a width."""
    blocks = view.whole("block_count") - view.whole("nextn_predict_layers")
    slides = all(map(view.measures.slides, range(blocks)))
    found = Kit() if slides else _kit("rope_freqs: half_full")
    if view.whole("embedding_length_per_layer_input"):
        found += _kit(
            "per_layer_token_embd: per_layers rows, per_layer_model_proj: width per_layers, "
            "per_layer_proj_norm: per_layer"
        )
    return found


def _plain(*kits: Kit, ends: Kit = _ENDS, attention: Kit = _OF_HEADS, dense: Kit = _DENSE) -> Blocks:
    """Return blocks that are all alike, with one dense part each."""
    every = attention + dense
    for kit in kits:
        every += kit
    return Blocks(every=every, ends=ends)


def _llama(*, shared: bool = False) -> Blocks:
    """Return Llama's blocks, whose experts, if there are any, are as wide as a dense part would be."""
    experts = _experts(inner="inner")
    gate = {"ffn_gate_exps.weight": experts.needs["ffn_gate_exps.weight"]}
    needs = {name: sizes for name, sizes in experts.needs.items() if name not in gate}
    return Blocks(
        every=_NORMS + _OF_HEADS + _OUTPUT_BIAS,
        ends=_ENDS + _FACTORS,
        kits={"dense": _DENSE + _DENSE_BIASES, "sparse": Kit(needs, gate), "shared": _shared()},
        choose=_by_experts_and_shared if shared else _by_experts,
    )


def _qwen(feed: Kit, parts: Kit) -> Blocks:
    """Return Qwen's blocks with linear attention in most of them; queries of the others come with their gates."""
    return Blocks(
        every=_kit("attn_norm: width, post_attention_norm: width") + feed,
        ends=_ENDS,
        kits={
            "attention": _attention("q_2", joined="q_2kv") + _HEAD_NORMS,
            "linear": parts
            + _kit(
                "ssm_conv1d: kernel mixed, ssm_dt.bias: rank, ssm_a: rank, ssm_norm: state, ssm_out: values width, "
                "attn_qkv: width mixed, attn_gate: width values"
            ),
        },
        choose=_by_interval,
    )


_QWEN_EXPERTS = _experts() + _JOINED_EXPERTS + _shared() + _kit("ffn_gate_inp_shexp: width")
_QWEN_EXPERTS_APART = Blocks(every=_NORMS + _OF_HEADS + _HEAD_NORMS + _experts(), ends=_ENDS)
_ALPHA_BETA = _kit("ssm_beta: width rank, ssm_alpha: width rank")
_NEMOTRON = Blocks(
    every=_kit("attn_norm: width"),
    ends=_ENDS,
    kits={
        "mamba": _kit(
            "ssm_in: width states_in, ssm_conv1d: kernel states_mixed, ssm_dt.bias: rank, ssm_a: 1 rank, "
            "ssm_d: 1 rank, ssm_norm: states_of_group groups_of_states, ssm_out: states width, "
            "ssm_conv1d.bias: states_mixed"
        ),
        "attention": _OF_HEADS + _OUTPUT_BIAS,
        "sparse": _kit(
            "ffn_gate_inp: width experts, exp_probs_b.bias: experts, ffn_up_exps: latent expert experts, "
            "ffn_down_exps: expert latent experts, ffn_up_shexp: width shared, ffn_down_shexp: shared width",
            "ffn_latent_down: width latent, ffn_latent_up: latent width",
        ),
        "latent": _kit("ffn_latent_down: width latent, ffn_latent_up: latent width"),
        "dense": _kit("ffn_up: width inner, ffn_down: inner width", "ffn_up.bias: inner, ffn_down.bias: width"),
    },
    choose=_by_lists,
    varies=_HEADS_AND_WIDTHS,
)
_GEMMA4 = Blocks(
    every=_NORMS
    + _AFTER
    + _DENSE
    + _kit(
        "attn_q: width q, attn_output: q width, attn_q_norm: head",
        "attn_k: width k, attn_v: width v, attn_k_norm: head, attn_qkv: width qkv, layer_output_scale: 1",
    ),
    ends=_ENDS,
    kits={
        "keys": _kit("attn_k: width k, attn_k_norm: head"),
        "sparse": _experts()
        + _JOINED_EXPERTS
        + _kit("ffn_gate_inp.scale: width, pre_ffw_norm_2: width, post_ffw_norm_1: width, post_ffw_norm_2: width"),
        "layers": _kit("inp_gate: width per_layer, proj: per_layer width, post_norm: width"),
    },
    choose=_of_gemma4,
    ends_too=_ends_of_gemma4,
    varies=_HEADS_AND_WIDTHS,
)
_GEMMA3N = _plain(
    _NORMS,
    _AFTER,
    _HEAD_NORMS,
    _kit(
        "inp_gate: width 256, proj: 256 width, post_norm: width, altup_correct_coef: 4 4, altup_correct_scale: width, "
        "altup_predict_coef: 4 16, altup_router: width 4, altup_router_norm: width, laurel_l: width 64, "
        "laurel_r: 64 width, laurel_post_norm: width"
    ),
    ends=_ENDS
    + _kit(
        "altup_proj: width width 3, altup_unembd_proj: width width 3, per_layer_token_embd: ? rows, "
        "per_layer_model_proj: width ?, per_layer_proj_norm: 256"
    ),
)
_DEEPSEEK2 = Blocks(
    every=_NORMS + _kit("attn_kv_a_norm: kv_rank, attn_kv_a_mqa: width kv_rank_rotated, attn_output: v_latent width"),
    ends=_ENDS,
    kits={
        "compressed": _kit("attn_q_a: width q_rank, attn_q_a_norm: q_rank, attn_q_b: q_rank q_latent"),
        "plain": _kit("attn_q: width q_latent"),
        "apart": _kit("attn_k_b: head_plain kv_rank heads, attn_v_b: kv_rank head_value heads"),
        "joined": _kit("attn_kv_b: kv_rank kv_latent"),
        "dense": _DENSE,
        "sparse": _experts() + _JOINED_EXPERTS + _shared("expert_shared") + _kit(may="exp_probs_b.bias: experts"),
    },
    choose=_by_latent,
)
_GPT_OSS = Blocks(
    every=_ROTATED
    + _experts()
    + _kit(
        "attn_norm: width, post_attention_norm: width, attn_sinks: heads, attn_output.bias: width, "
        "ffn_gate_inp.bias: experts, ffn_gate_exps.bias: expert experts, ffn_up_exps.bias: expert experts, "
        "ffn_down_exps.bias: width experts"
    ),
    ends=_TIED + _kit("output: width rows"),
)
_LFM2 = Blocks(
    every=_NORMS + _DENSE,
    ends=_kit(
        "token_embd: width rows, token_embd_norm: width", "output: width rows, dense_2: width out, dense_2.bias: out"
    ),
    kits={
        "attention": _OF_WIDTH + _HEAD_NORMS,
        "convolution": _kit(
            "shortconv.conv.weight: cached width, shortconv.in_proj.weight: width width_3, "
            "shortconv.out_proj.weight: width width"
        ),
    },
    choose=_by_groups,
    varies=_HEADS,
)
_BERT = Blocks(
    every=_OF_WIDTH
    + _OUTPUT_BIAS
    + _kit(
        "attn_output_norm: width, attn_output_norm.bias: width, layer_output_norm: width, "
        "layer_output_norm.bias: width, ffn_up: width inner, ffn_down: inner width",
        "ffn_up.bias: inner, ffn_down.bias: width",
    ),
    ends=_kit(
        "token_embd: width rows, position_embd: width context, token_embd_norm: width, token_embd_norm.bias: width",
        "token_types: width types, cls: width width, cls.bias: width, cls.output: width labels, "
        "cls.output.bias: labels",
    ),
)

KNOWN: Mapping[str, Blocks] = {
    "llama": _llama(),
    "mistral3": _llama(),
    "granite": _llama(shared=True),
    "gemma": _plain(_NORMS, ends=_TIED),
    "gemma2": _plain(_NORMS, _AFTER, ends=_TIED),
    "gemma3": _plain(_NORMS, _AFTER, _HEAD_NORMS, ends=_ENDS + _kit(may="dense_2: width ?, dense_3: ? width")),
    "gemma-embedding": _plain(
        _NORMS, _AFTER, _HEAD_NORMS, ends=_ENDS + _kit(may="dense_2: width dense_2, dense_3: dense_3 width")
    ),
    "gemma3n": _GEMMA3N,
    "gemma4": _GEMMA4,
    "qwen2": _plain(_NORMS, attention=_OF_WIDTH, ends=_ENDS + _kit(may="output.bias: rows")),
    "qwen2vl": _plain(_NORMS, attention=_OF_WIDTH, ends=_ENDS + _kit(may="output.bias: rows")),
    "qwen3": _plain(_NORMS, _HEAD_NORMS, ends=_ENDS + _RANKS),
    "qwen3vl": _plain(_NORMS, _HEAD_NORMS, ends=_ENDS + _RANKS),
    "qwen3moe": _QWEN_EXPERTS_APART,
    "qwen3vlmoe": _QWEN_EXPERTS_APART,
    "qwen35": _qwen(_DENSE, _ALPHA_BETA),
    "qwen35moe": _qwen(_QWEN_EXPERTS, _ALPHA_BETA),
    "qwen3next": _qwen(_QWEN_EXPERTS, _kit("ssm_ba: width rank_2", "ssm_in: width mixed_gated")),
    "olmo2": _plain(
        _AFTER,
        _kit("attn_q_norm: width, attn_k_norm: k"),
        attention=_OF_WIDTH,
        ends=_TIED + _kit("output: width rows"),
    ),
    "gpt-oss": _GPT_OSS,
    "llama4": Blocks(
        every=_NORMS + _OF_HEADS,
        ends=_ENDS + _kit(may="rope_freqs: half_head"),
        kits={"dense": _DENSE, "sparse": _experts() + _shared("expert")},
        choose=_by_step,
    ),
    "laguna": Blocks(
        every=_NORMS + _OF_HEADS + _HEAD_NORMS + _kit("attn_gate: width heads/q"),
        ends=_ENDS,
        kits={"dense": _DENSE, "sparse": _experts() + _shared() + _kit("exp_probs_b.bias: experts")},
        choose=_by_lead,
        varies=_HEADS,
    ),
    "lfm2": _LFM2,
    "nemotron_h": _NEMOTRON,
    "nemotron_h_moe": _NEMOTRON,
    "deepseek2": _DEEPSEEK2,
    "bert": _BERT,
}
