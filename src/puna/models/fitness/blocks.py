"""The blocks of architectures that people use: which tensors each has, which come together, and how large they are.

An architecture that is not here is the engine's business alone.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from puna.models.fitness.tensors import check_size, in_block
from puna.models.gguf import GGUFError, GGUFFile

_NORMS, _AFTER = ("attn_norm", "ffn_norm"), ("post_attention_norm", "post_ffw_norm")
_HEAD_NORMS = ("attn_q_norm", "attn_k_norm")
_APART = ("attn_q", "attn_k", "attn_v")
_DENSE, _SPARSE = ("ffn_gate", "ffn_up", "ffn_down"), ("ffn_gate_inp", "ffn_down_exps")
_SHARED = ("ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp")
_DELTA = ("ssm_conv1d", "ssm_dt.bias", "ssm_a", "ssm_norm", "ssm_out")
_MAMBA = ("ssm_in", *_DELTA, "ssm_d")
_WHOLE = frozenset(["ssm_a", "ssm_d"])
"""Tensors without a suffix."""
_TOPS = frozenset(
    """
    token_embd token_embd_norm token_types position_embd output output_norm rope_freqs rope_factors_long
    rope_factors_short dense_2 dense_3 cls cls.output cls.norm score
    """.split()  # noqa: SIM905
)
"""What no block has."""
_MIXED = ("attn_output", *_HEAD_NORMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """``always`` are tensors of each block, and of those of a kit all are there if one is; ``ends`` are of no block.

    ``feeds`` says that all blocks are alike: with experts if there are any, without if there are none. ``sized`` ones
    have attention whose sizes follow from the keys; with ``own_head`` a head is as large as the file says, and
    ``by_rope`` it must be as large as its positions. ``head_norms`` are of the size of one head.
    """

    always: tuple[str, ...] = _NORMS
    kits: tuple[tuple[str, ...], ...] = ()
    ends: tuple[str, ...] = ("token_embd", "output_norm")
    epsilon: str = "attention.layer_norm_rms_epsilon"
    feeds: bool = False
    sized: bool = False
    own_head: bool = True
    by_rope: bool = False
    head_norms: bool = False


def _alike(*always: str, own_head: bool = True, by_rope: bool = False, output: bool = False) -> Blocks:
    """Return blocks that are all the same."""
    return Blocks(
        always=(*always, "attn_output"),
        kits=(_APART,),
        ends=("token_embd", "output_norm", *(["output"] if output else [])),
        feeds=True,
        sized=True,
        own_head=own_head,
        by_rope=by_rope,
        head_norms="attn_q_norm" in always and own_head,
    )


_PLAIN, _NORMED = _alike(*_NORMS), _alike(*_NORMS, *_HEAD_NORMS)
_OF_WIDTH, _BOTH = _alike(*_NORMS, own_head=False), _alike(*_NORMS, *_AFTER, *_HEAD_NORMS)
_QWEN_ALWAYS = ("attn_norm", "post_attention_norm")
_KNOWN: Mapping[str, Blocks] = {
    "llama": _PLAIN,
    "mistral3": _PLAIN,
    "gemma": _PLAIN,
    "granite": _PLAIN,
    "qwen2": _OF_WIDTH,
    "qwen2vl": _OF_WIDTH,
    "qwen3": _NORMED,
    "qwen3moe": _NORMED,
    "qwen3vl": _NORMED,
    "qwen3vlmoe": _NORMED,
    "gemma2": _alike(*_NORMS, *_AFTER),
    "gemma3": _BOTH,
    "gemma-embedding": _BOTH,
    "olmo2": _alike(*_AFTER, *_HEAD_NORMS, own_head=False, output=True),
    "gpt-oss": _alike("attn_norm", "post_attention_norm", "attn_sinks", by_rope=True, output=True),
    "llama4": Blocks(always=(*_NORMS, "attn_output"), kits=(_APART, _DENSE, (*_SPARSE, *_SHARED)), sized=True),
    "laguna": Blocks(always=(*_NORMS, *_MIXED), kits=(_APART, _DENSE, (*_SPARSE, "exp_probs_b.bias", *_SHARED))),
    "lfm2": Blocks(
        kits=(_APART, _MIXED, _DENSE, ("shortconv.conv", "shortconv.in_proj", "shortconv.out_proj")),
        ends=("token_embd", "token_embd_norm"),
    ),
    "qwen35": Blocks(always=(*_QWEN_ALWAYS, *_DENSE), kits=(_APART, _MIXED, (*_DELTA, "ssm_beta", "ssm_alpha"))),
    "qwen35moe": Blocks(
        always=(*_QWEN_ALWAYS, *_SPARSE, *_SHARED, "ffn_gate_inp_shexp"),
        kits=(_APART, _MIXED, (*_DELTA, "ssm_beta", "ssm_alpha")),
    ),
    "qwen3next": Blocks(
        always=(*_QWEN_ALWAYS, *_SPARSE, *_SHARED, "ffn_gate_inp_shexp"),
        kits=(_APART, _MIXED, (*_DELTA, "ssm_ba")),
    ),
    "nemotron_h_moe": Blocks(
        always=("attn_norm",),
        kits=(_APART, _MAMBA, (*_SPARSE, "exp_probs_b.bias", "ffn_up_exps", "ffn_up_shexp", "ffn_down_shexp")),
        epsilon="",
    ),
    "deepseek2": Blocks(
        always=(*_NORMS, "attn_output"),
        kits=(_DENSE, _SPARSE, ("attn_q_a", "attn_q_a_norm", "attn_q_b"), ("attn_kv_a_mqa", "attn_kv_a_norm")),
    ),
    "bert": Blocks(
        always=("attn_output", "attn_output_norm", "ffn_up", "ffn_down", "layer_output_norm"),
        kits=(_APART,),
        ends=("token_embd", "token_embd_norm", "position_embd"),
        epsilon="attention.layer_norm_epsilon",
        sized=True,
        own_head=False,
    ),
}


def check_blocks(gguf: GGUFFile) -> None:
    """Raise ``GGUFError`` for a tensor that a block of a known architecture lacks, or has in another size."""
    known = _KNOWN.get(gguf.architecture)
    if known is None:
        return
    if known.epsilon and not isinstance(gguf.metadata.get(f"{gguf.architecture}.{known.epsilon}"), float):
        raise GGUFError(f"{gguf.architecture}.{known.epsilon} is missing, or no float")
    names = {tensor.name for tensor in gguf.tensors}
    _all(names, "", known.ends)
    # Those behind them guess ahead, and may lack what is not asked for.
    blocks = (gguf.block_count or 0) - (gguf.whole(f"{gguf.architecture}.nextn_predict_layers") or 0)
    sparse = (gguf.whole(f"{gguf.architecture}.expert_count") or 0) > 0
    always = (*known.always, *((_SPARSE if sparse else _DENSE) if known.feeds else ()))
    for block in range(blocks):
        prefix = f"blk.{block}."
        _all(names, prefix, always)
        for kit in known.kits:
            if any(_full(prefix, name) in names for name in kit):
                _all(names, prefix, kit)
        if known.sized and f"{prefix}attn_qkv.weight" not in names:
            _all(names, prefix, _APART)
    sizes = _sizes(gguf, known, dense=known.feeds and not sparse)
    for tensor in gguf.tensors:
        place = in_block(tensor.name)
        if place is None and tensor.name.rpartition(".")[0] not in _TOPS:
            raise GGUFError(f"tensor {tensor.name!r} is none of a model of the architecture {gguf.architecture}")
        if place and place[0] < blocks and place[1] in sizes:
            check_size(tensor, sizes[place[1]])


def _full(prefix: str, name: str) -> str:
    return f"{prefix}{name}" if "." in name.removeprefix("shortconv.") or name in _WHOLE else f"{prefix}{name}.weight"


def _all(names: Collection[str], prefix: str, wanted: Iterable[str]) -> None:
    for name in wanted:
        if (full := _full(prefix, name)) not in names:
            raise GGUFError(f"tensor '{full}' is missing")


def _sizes(gguf: GGUFFile, known: Blocks, *, dense: bool) -> Mapping[str, tuple[int, ...]]:
    """Return the sizes that matrices have in every block; nothing is said of those whose sizes may differ."""
    found = (_of_feed(gguf) if dense else {}) | (_of_attention(gguf, known) if known.sized else {})
    biases = {f"{name}.bias": size[-1:] for name, size in found.items() if len(size) > 1}
    return {f"{name}.weight": size for name, size in found.items()} | biases


def _of_feed(gguf: GGUFFile) -> dict[str, tuple[int, ...]]:
    value = gguf.metadata.get(f"{gguf.architecture}.feed_forward_length")
    values = value if isinstance(value, tuple) else (value,)
    width, inner = gguf.embedding_length or 0, _one(tuple(item for item in values if isinstance(item, int)))
    return {"ffn_gate": (width, inner), "ffn_up": (width, inner), "ffn_down": (inner, width)} if inner else {}


def _of_attention(gguf: GGUFFile, known: Blocks) -> dict[str, tuple[int, ...]]:
    prefix = f"{gguf.architecture}."
    width, heads, groups = gguf.embedding_length or 0, _one(gguf.head_counts), _one(gguf.head_counts_kv)
    if not heads or not groups:
        return {}
    key, value, rope = (
        gguf.whole(f"{prefix}{name}") or width // heads
        for name in ("attention.key_length", "attention.value_length", "rope.dimension_count")
    )
    if key != value or (known.by_rope and rope != key) or f"{prefix}attention.key_length_swa" in gguf.metadata:
        return {}
    all_heads = heads * key if known.own_head else width
    sizes = {"attn_q": (width, all_heads), "attn_output": (all_heads, width)}
    sizes |= dict.fromkeys(("attn_k", "attn_v"), (width, groups * key))
    return sizes | (dict.fromkeys(_HEAD_NORMS, (key,)) if known.head_norms else {})


def _one(values: tuple[int, ...]) -> int:
    """Return the number that all blocks have, 0 if they differ."""
    return values[0] if len(set(values)) == 1 else 0
