"""Keys that the engine reads of every model, and the types that it wants them to have."""

from collections.abc import Iterable, Mapping

from puna.models.fitness.stored import Kind, kinds
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
_PER_BLOCK = ("feed_forward_length", "attention.head_count", "attention.head_count_kv")
_TOKENIZER = "tokenizer.ggml."
_IDS = (
    *("bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "prefix", "suffix", "middle"),
    *(f"fim_{part}" for part in ("pre", "suf", "mid", "pad", "rep", "sep")),
)
_FLAGS = ("add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces")
_SENSES = ("clip.vision.", "clip.audio.")
_OF_SENSES = {
    **dict.fromkeys(("embedding_length", "attention.head_count", "feed_forward_length", "block_count"), U32),
    **dict.fromkeys(("projection_dim", "image_size", "patch_size"), U32),
    "attention.layer_norm_epsilon": F32,
}
_WHOLE = (ValueType.UINT32, ValueType.INT32)


def check_keys(gguf: GGUFFile) -> None:
    """Raise ``GGUFError`` for a key that is missing, or of another type or length than the engine wants."""
    prefix = f"{gguf.architecture}."
    for name in _NEEDED:
        if prefix + name not in gguf.metadata:
            raise GGUFError(f"{prefix}{name} is missing")
    if (gguf.whole(f"{prefix}expert_count") or 0) and not gguf.metadata.get(f"{prefix}expert_used_count"):
        raise GGUFError(f"{prefix}expert_used_count is missing")
    found = kinds(gguf)
    _check(found, "general.alignment", U32)
    for kind, names in _OWN.items():
        _check_all(found, (prefix + name for name in names), kind)
    if any(gguf.head_counts[:1]):
        _check_all(found, (prefix + name for name in _OF_HEADS), U32)
    for name in _PER_BLOCK:
        _check_per_block(found, prefix + name, gguf.block_count or 0)
    if not has_tokens(gguf):
        return
    _check_all(found, (f"{_TOKENIZER}{name}_token_id" for name in _IDS), U32)
    _check_all(found, (_TOKENIZER + name for name in _FLAGS), BOOL)


def check_projector_keys(gguf: GGUFFile) -> None:
    """Raise ``GGUFError`` for a key of a projector of another type than the engine wants."""
    found = kinds(gguf)
    for prefix in _SENSES:
        if gguf.metadata.get(f"clip.has_{prefix.split('.')[1]}_encoder"):
            for name, kind in _OF_SENSES.items():
                _check(found, prefix + name, kind)


def _check_all(found: Mapping[str, Kind], keys: Iterable[str], wanted: ValueType) -> None:
    for key in keys:
        _check(found, key, wanted)


def _check(found: Mapping[str, Kind], key: str, wanted: ValueType) -> None:
    if key in found and found[key].type != wanted:
        raise GGUFError(f"{key} is {found[key].name}, and must be {wanted.name.lower()}")


def _check_per_block(found: Mapping[str, Kind], key: str, blocks: int) -> None:
    kind = found.get(key)
    if kind is None or not kind.is_array:
        _check(found, key, U32)
    elif kind.element not in _WHOLE:
        raise GGUFError(f"{key} is {kind.name}, and must have whole numbers of 32 bits")
    elif kind.length != blocks:
        raise GGUFError(f"{key} has {kind.length} elements for {blocks} blocks")
