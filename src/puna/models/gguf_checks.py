"""Checks on what a model's metadata means, so that no engine divides by zero or allocates on a lie.

Which fields llama.cpp divides by or asserts on was read from ``llama-model.cpp`` and ``llama-hparams.cpp`` of
ggml-org/llama.cpp. A field that is absent is the engine's business: it reports that well.
"""

import math
import re
from collections.abc import Mapping

from puna.models.gguf_header import MetadataValue
from puna.models.gguf_types import GGUFArray, GGUFError, TensorInfo

_NAME = re.compile(r"[\w.+-]{1,128}", re.ASCII)
_MAX_FIELD = 2**31 - 1
_MAX_BLOCKS = 4096
_POSITIVE = ("block_count", "embedding_length", "context_length", "vocab_size")
_POSITIVE_IF_RECURRENT = (
    "ssm.conv_kernel",
    "ssm.inner_size",
    "ssm.state_size",
    "ssm.time_step_rank",
    "wkv.head_size",
)
_POSITIVE_IF_ATTENTION = ("attention.key_length", "attention.value_length")
_PER_BLOCK = ("attention.head_count", "attention.head_count_kv", "feed_forward_length")
_ONE_OF_ALL = ("qwen35", "qwen35moe", "qwen3next")
"""Architectures of which Ollama's files list the heads of each block, and the engine gets the largest number."""
_FINITE = (
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.scaling.factor",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
)


def check_fields(metadata: Mapping[str, MetadataValue], tensors: tuple[TensorInfo, ...]) -> None:
    """Raise :class:`GGUFError` for a field that cannot be true."""
    architecture = metadata.get("general.architecture")
    if architecture is None:
        if not metadata.get("split.no"):  # later shards of a split model carry no metadata of their own
            raise GGUFError("general.architecture is missing")
        return
    if not isinstance(architecture, str) or not _NAME.fullmatch(architecture):
        raise GGUFError("general.architecture is not a name")
    fields = _Fields(metadata, architecture)
    for name in (*_POSITIVE, *_POSITIVE_IF_RECURRENT):
        fields.whole(name, 1, _MAX_BLOCKS if name == "block_count" else _MAX_FIELD)
    for name in _FINITE:
        fields.finite(name)
    _check_heads(fields)
    _check_experts(fields)
    _check_embedding(fields, tensors)


class _Fields:
    """Metadata of one architecture, with each value checked as it is taken."""

    def __init__(self, metadata: Mapping[str, MetadataValue], architecture: str) -> None:
        self._metadata = metadata
        self._prefix = architecture + "."
        # Models without attention in some or all blocks say so with zeros.
        self.recurrent = any(
            key.startswith((self._prefix + "ssm.", self._prefix + "wkv.", self._prefix + "shortconv."))
            for key in metadata
        )

    def has(self, name: str) -> bool:
        """Whether the field is there at all."""
        return self._prefix + name in self._metadata

    def whole(self, name: str, least: int, most: int = _MAX_FIELD) -> int | None:
        """The field as a whole number in the range, None where it is absent."""
        value = self._metadata.get(self._prefix + name)
        if value is None:
            return None
        return self._in_range(name, value, least, most)

    def per_block(self, name: str, least: int) -> tuple[int, ...] | None:
        """The field's numbers: one, or one for each block."""
        value = self._metadata.get(self._prefix + name)
        if value is None:
            return None
        if isinstance(value, GGUFArray):
            raise GGUFError(f"{self._prefix}{name} has {value.length} elements")
        if isinstance(value, tuple):
            blocks = self.whole("block_count", 1, _MAX_BLOCKS) or 0
            if name == _PER_BLOCK[1] and self._prefix[:-1] in _ONE_OF_ALL:
                blocks = 0
            if not value or len(value) < blocks:
                raise GGUFError(f"{self._prefix}{name} has {len(value)} elements for {blocks} blocks")
            return tuple(self._in_range(name, item, 0, _MAX_FIELD) for item in value)
        return (self._in_range(name, value, least, _MAX_FIELD),)

    def finite(self, name: str) -> None:
        """The field must hold numbers of zero or more if it is there."""
        value = self._metadata.get(self._prefix + name, 0.0)
        for item in value if isinstance(value, tuple) else (value,):  # some models have one for each block
            if not isinstance(item, float | int) or not math.isfinite(item) or item < 0:
                raise GGUFError(f"{self._prefix}{name} is {item!r:.80}")

    def _in_range(self, name: str, value: object, least: int, most: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise GGUFError(f"{self._prefix}{name} is not a whole number")
        if not least <= value <= most:
            raise GGUFError(f"{self._prefix}{name} is {value} (it must be {least} to {most})")
        return value


def _check_heads(fields: _Fields) -> None:
    least = 0 if fields.recurrent else 1
    for name in _POSITIVE_IF_ATTENTION:
        fields.whole(name, least)
    numbers = {name: fields.per_block(name, least) for name in _PER_BLOCK[:2]}
    fields.per_block(_PER_BLOCK[2], 0)
    heads, kv_heads = (numbers[name] for name in _PER_BLOCK[:2])
    if heads is None or not heads:
        return
    if not any(heads) and not fields.recurrent:
        raise GGUFError("attention.head_count is 0 in every block")
    if kv_heads is None:
        return
    if len(heads) == len(kv_heads):
        pairs = list(zip(heads, kv_heads, strict=True))
    else:
        pairs = [(heads[index % len(heads)], kv) for index, kv in enumerate(kv_heads)]
    for head, kv in pairs:
        if head and kv and head % kv:
            raise GGUFError(f"attention.head_count {head} is not a multiple of attention.head_count_kv {kv}")


def _check_experts(fields: _Fields) -> None:
    experts = fields.whole("expert_count", 0) or 0
    used = max(fields.per_block("expert_used_count", 0) or (), default=None)
    if experts and used is not None and not 1 <= used <= experts:
        raise GGUFError(f"expert_used_count is {used} of {experts} experts")


def _check_embedding(fields: _Fields, tensors: tuple[TensorInfo, ...]) -> None:
    width = fields.whole("embedding_length", 1)
    if width is None or fields.has("features_length"):
        return
    for tensor in tensors:
        if tensor.name == "token_embd.weight" and tensor.shape and tensor.shape[0] != width:
            raise GGUFError(f"token_embd.weight has rows of {tensor.shape[0]}, embedding_length is {width}")
