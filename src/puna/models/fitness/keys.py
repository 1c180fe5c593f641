"""Keys that the engine reads of every model, and the types that it wants them to have."""

from collections.abc import Iterable, Mapping

from puna.models.fitness.stored import Kind
from puna.models.fitness.vocabulary import has_tokens
from puna.models.gguf import GGUFError, GGUFFile
from puna.models.gguf_types import ValueType

U32, BOOL, F32, TEXT = ValueType.UINT32, ValueType.BOOL, ValueType.FLOAT32, ValueType.STRING
_NEEDED = ("context_length", "embedding_length", "block_count")
_OF_HEADS = ("attention.key_length", "attention.value_length", "rope.dimension_count")
_OWN: Mapping[ValueType, tuple[str, ...]] = {
    U32: (
        *_NEEDED,
        "embedding_length_out",
        "pooling_type",
        "nextn_predict_layers",
        "expert_count",
        "expert_group_count",
        "expert_group_used_count",
        "rope.scaling.original_context_length",
    ),
    BOOL: ("attention.causal", "rope.scaling.finetuned"),
    F32: ("rope.freq_base", "rope.scaling.factor", "rope.scaling.attn_factor"),
    TEXT: ("rope.scaling.type",),
}
_Row = tuple[str, ValueType | None, frozenset[str], frozenset[str]]
_PER_BLOCK = ("feed_forward_length", "attention.head_count", "attention.head_count_kv", "expert_used_count")
_TOKENIZER = "tokenizer.ggml."
_IDS = (
    *("bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "prefix", "suffix", "middle"),
    *(f"fim_{part}" for part in ("pre", "suf", "mid", "pad", "rep", "sep")),
)
_FLAGS = ("add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces")
_SCALINGS = ("none", "linear", "yarn", "longrope")
_MOST_BLOCKS = 512
"""``LLAMA_MAX_LAYERS`` of ``llama-hparams.h``."""
_WHOLE = (ValueType.UINT32, ValueType.INT32)


def _row(name: str, kind: ValueType | None, needed: str = "", read: str = "") -> _Row:
    return name, kind, frozenset(needed.split()), frozenset(read.split())


_OF_STATES = ("conv_kernel", "inner_size", "state_size", "time_step_rank", "group_count")
_QWENS = "qwen35 qwen35moe qwen3next"
_GEMMAS = "gemma2 gemma3 gemma-embedding gemma3n gemma4"
_NEMOTRONS = "nemotron_h nemotron_h_moe"
_STATES = f"{_QWENS} {_NEMOTRONS}"
_ROTATED = (
    f"llama mistral3 gemma {_GEMMAS} granite qwen2 qwen3 qwen3moe qwen3vl qwen3vlmoe {_QWENS} olmo2 gpt-oss llama4 "
    "laguna lfm2 deepseek2"
)
_TURNED = ("rope.dimension_count", "rope.dimension_count_swa")
"""Numbers of a head that turn with the place of a token, in pairs: of none, ggml's loop over them never ends."""
_OF_SOME: tuple[_Row, ...] = (
    _row(
        "attention.layer_norm_rms_epsilon",
        F32,
        _ROTATED,
        _NEMOTRONS,
    ),
    _row("attention.layer_norm_epsilon", F32, f"bert {_NEMOTRONS}"),
    _row(
        "attention.sliding_window", U32, "gemma-embedding gpt-oss gemma3n gemma4", f"{_GEMMAS} olmo2 llama4 laguna lfm2"
    ),
    _row("attention.key_length_swa", U32, "gemma4"),
    _row("attention.value_length_swa", U32, "gemma4"),
    _row("attention.shared_kv_layers", U32, "", "gemma4"),
    _row("attention.q_lora_rank", U32, "", "deepseek2"),
    _row("attention.kv_lora_rank", U32, "deepseek2"),
    _row("attention.key_length_mla", U32, "", "deepseek2"),
    _row("attention.value_length_mla", U32, "", "deepseek2"),
    _row("attention.scale", F32, "", "granite"),
    _row("attention.temperature_scale", F32, "", "mistral3 deepseek2"),
    _row("attention.temperature_length", U32, "", "deepseek2"),
    _row("attn_logit_softcapping", F32, "", "gemma2"),
    _row("final_logit_softcapping", F32, "", "gemma2 gemma3 gemma4"),
    _row("rope.freq_base_swa", F32, "", f"{_GEMMAS} olmo2 gpt-oss llama4 laguna"),
    _row("rope.dimension_count_swa", U32, "", "laguna gemma4"),
    _row("rope.dimension_count", U32, "", f"{_ROTATED} qwen2vl"),
    _row("rope.scaling.yarn_log_multiplier", F32, "", "mistral3 deepseek2"),
    _row("rope.scaling.yarn_beta_fast", F32, "", "mistral3"),
    _row("rope.scaling.yarn_beta_slow", F32, "", "mistral3"),
    _row("embedding_length_per_layer_input", U32, "gemma4"),
    _row("dense_2_feat_in", U32, "", "gemma-embedding"),
    _row("dense_2_feat_out", U32, "", "gemma-embedding"),
    _row("dense_3_feat_in", U32, "", "gemma-embedding"),
    _row("dense_3_feat_out", U32, "", "gemma-embedding"),
    _row("logit_scale", F32, "granite"),
    _row("residual_scale", F32, "", "granite"),
    _row("embedding_scale", F32, "", "granite"),
    _row(
        "expert_feed_forward_length",
        None,
        "gpt-oss llama4 laguna deepseek2",
        f"qwen3moe qwen3vlmoe qwen35moe qwen3next {_NEMOTRONS} gemma4",
    ),
    _row("expert_shared_feed_forward_length", U32, "", f"granite laguna qwen35moe qwen3next {_NEMOTRONS}"),
    _row("expert_shared_count", U32, "deepseek2", f"laguna {_NEMOTRONS}"),
    _row("expert_gating_func", U32, "", "laguna deepseek2"),
    _row("expert_weights_norm", BOOL, "", f"laguna {_NEMOTRONS} deepseek2"),
    _row("expert_weights_scale", F32, "", f"laguna {_NEMOTRONS} deepseek2"),
    _row("moe_latent_size", U32, "", _NEMOTRONS),
    _row("interleave_moe_layer_step", U32, "llama4"),
    _row("leading_dense_block_count", U32, "laguna", "deepseek2"),
    _row("full_attention_interval", U32, "", _QWENS),
    _row("n_deepstack_layers", U32, "", "qwen3vl qwen3vlmoe"),
    _row("shortconv.l_cache", U32, "lfm2"),
    *(_row(f"ssm.{name}", U32, _STATES) for name in _OF_STATES),
)
"""Keys that some architectures read (``load_arch_hparams``): their types, which need them, and which read them if they
are there. ``None`` stands for a number or one for each block."""


def check_keys(gguf: GGUFFile, found: Mapping[str, Kind]) -> None:
    """Raise ``GGUFError`` for a key that is missing, or of another type or length than the engine wants.

    ``found`` are the types of the keys, as far as they are known.
    """
    prefix = f"{gguf.architecture}."
    for name in _NEEDED:
        check_there(gguf, prefix + name)
    _check_experts(gguf)
    if (gguf.block_count or 0) > _MOST_BLOCKS:
        raise GGUFError(f"{prefix}block_count is {gguf.block_count}, and engines take {_MOST_BLOCKS} at most")
    scaling = gguf.text(f"{prefix}rope.scaling.type")
    if scaling is not None and scaling not in _SCALINGS:
        raise GGUFError(f"{prefix}rope.scaling.type is {scaling!r:.80}, and must be one of {', '.join(_SCALINGS)}")
    check(found, "general.alignment", U32)
    for kind, names in _OWN.items():
        check_all(found, (prefix + name for name in names), kind)
    if any(gguf.head_counts[:1]):
        check_all(found, (prefix + name for name in _OF_HEADS), U32)
    for name in _PER_BLOCK:
        _check_per_block(found, prefix + name, gguf.block_count or 0)
    _check_of_architecture(gguf, found)
    if not has_tokens(gguf):
        return
    check_all(found, (f"{_TOKENIZER}{name}_token_id" for name in _IDS), U32)
    check_all(found, (_TOKENIZER + name for name in _FLAGS), BOOL)


def _check_experts(gguf: GGUFFile) -> None:
    """Check what the engine asserts of the numbers of experts."""
    prefix = f"{gguf.architecture}.expert_"
    experts, groups, used = (gguf.whole(prefix + name) or 0 for name in ("count", "group_count", "group_used_count"))
    if experts and not gguf.metadata.get(f"{prefix}used_count"):
        raise GGUFError(f"{prefix}used_count is missing")
    if not experts and (gguf.metadata.get(f"{prefix}used_count") or groups):
        raise GGUFError(f"{prefix}count is missing")
    if groups and (groups >= experts or experts % groups):
        raise GGUFError(f"{prefix}group_count is {groups} for {experts} experts")
    if groups > 1 and not 0 < used < groups:
        raise GGUFError(f"{prefix}group_used_count is {used} of {groups} groups")


def _check_of_architecture(gguf: GGUFFile, found: Mapping[str, Kind]) -> None:
    for name, kind, needed, read in _OF_SOME:
        key = f"{gguf.architecture}.{name}"
        if gguf.architecture in needed:
            check_there(gguf, key)
        elif gguf.architecture not in read:
            continue
        if name in _TURNED and (turned := gguf.whole(key)) is not None and (turned % 2 or not turned):
            raise GGUFError(f"{key} is {turned}, and must be even and not 0")
        if kind is None:
            _check_per_block(found, key, gguf.block_count or 0)
        else:
            check(found, key, kind)


def check_there(gguf: GGUFFile, key: str) -> None:
    """Raise ``GGUFError`` if there is no such key."""
    if key not in gguf.metadata:
        raise GGUFError(f"{key} is missing")


def check_all(found: Mapping[str, Kind], keys: Iterable[str], wanted: ValueType) -> None:
    """Raise ``GGUFError`` for one of the keys that is of another type than wanted."""
    for key in keys:
        check(found, key, wanted)


def check(found: Mapping[str, Kind], key: str, wanted: ValueType) -> None:
    """Raise ``GGUFError`` for a key that is there and of another type than wanted."""
    if key in found and found[key].type != wanted:
        raise GGUFError(f"{key} is {found[key].name}, and must be {wanted.name.lower()}")


def _check_per_block(found: Mapping[str, Kind], key: str, blocks: int) -> None:
    kind = found.get(key)
    if kind is None or not kind.is_array:
        check(found, key, U32)
    elif kind.element not in _WHOLE:
        raise GGUFError(f"{key} is {kind.name}, and must have whole numbers of 32 bits")
    elif kind.length != blocks:
        raise GGUFError(f"{key} has {kind.length} elements for {blocks} blocks")
