"""What model families share: parameters, tensor names and the rules for the type of each tensor."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import gguf

from puna.models.create.convert.config import Config, read_json
from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.numbers import Array
from puna.models.create.convert.output import Change, PlannedTensor
from puna.models.create.convert.rope import Rope, read_rope
from puna.models.create.convert.tokenizers.load import write_tokenizer
from puna.models.create.safetensors import FLOATS, Checkpoint, SourceTensor

MAX_BLOCKS = 1024
MAX_WIDTH = 2**20
MAX_HEADS = 65_536
_BLOCK = re.compile(r"\.(\d+)\.")
_SUFFIXES = (".weight", ".bias")
_UNUSED_ENDS = (".rotary_emb.inv_freq", ".attention.rotary_emb.inv_freq", ".attn.bias", ".masked_bias")
_ALWAYS_F32 = ("position_embd.weight", "token_types.weight")
_SIDE_MODULES = (
    "vision_tower.",
    "vision_model.",
    "multi_modal_projector.",
    "model.vision_tower.",
    "model.multi_modal",
)


class Family(ABC):
    """One architecture of llama.cpp and the checkpoints that become it.

    A subclass names both, and overrides what is peculiar to it. Instances are made per conversion.
    """

    architectures: ClassVar[tuple[str, ...]]
    arch: ClassVar[gguf.MODEL_ARCH]
    default_theta: ClassVar[float] = 10_000.0
    # Values that transformers leaves out of config.json because they are its own defaults for this family.
    defaults: ClassVar[Mapping[str, object]] = {}

    def __init__(self, config: Config, directory: Path) -> None:
        self.config = config = config.with_defaults(self.defaults)
        self.directory = directory
        self.blocks = config.whole("num_hidden_layers", "n_layer", "num_layers", most=MAX_BLOCKS)
        self.width = config.whole("hidden_size", "n_embd", most=MAX_WIDTH)
        self.heads = config.whole("num_attention_heads", "n_head", most=MAX_HEADS)
        self.kv_heads = config.whole("num_key_value_heads", default=self.heads, most=MAX_HEADS)
        self.head_size = config.whole("head_dim", default=max(1, self.width // self.heads), most=MAX_WIDTH)
        self.rope: Rope = read_rope(config, self.default_theta)
        if self.heads % self.kv_heads:
            raise ConvertError(f"config.json: {self.heads} heads cannot share {self.kv_heads} key-value heads")
        self._names = gguf.get_tensor_name_map(self.arch, self.blocks)

    @property
    def arch_name(self) -> str:
        """llama.cpp's name for the architecture."""
        return str(gguf.MODEL_ARCH_NAMES[self.arch])

    @abstractmethod
    def write_parameters(self, writer: gguf.GGUFWriter) -> None:
        """Write the architecture's keys."""

    def change(self, name: str, source: SourceTensor) -> Change:  # noqa: ARG002
        """What happens to the tensor ``name`` (already renamed)."""
        return Change()

    def rename(self, name: str) -> str | None:
        """The name that the ``gguf`` package's tensor map knows; None for a tensor that is left out."""
        return name

    def extra_tensors(self) -> Iterator[tuple[str, Array]]:
        """Tensors that are computed from the configuration."""
        return iter(())

    def write_common(self, writer: gguf.GGUFWriter) -> None:
        """Write the keys that every decoder has."""
        writer.add_block_count(self.blocks)
        writer.add_context_length(self.config.whole("max_position_embeddings", "n_positions"))
        writer.add_embedding_length(self.width)
        writer.add_feed_forward_length(self.config.whole("intermediate_size", "n_inner"))
        writer.add_head_count(self.heads)

    def write_attention(self, writer: gguf.GGUFWriter) -> None:
        """Write the keys of grouped-query attention with RMS norms."""
        writer.add_head_count_kv(self.kv_heads)
        writer.add_key_length(self.head_size)
        writer.add_value_length(self.head_size)
        writer.add_layer_norm_rms_eps(self.config.number("rms_norm_eps", default=1e-6))

    def write_vocabulary(self, writer: gguf.GGUFWriter, rows: int) -> None:
        """Write the tokenizer for an embedding matrix of ``rows`` rows."""
        write_tokenizer(writer, self.directory, self.config, rows)

    def write_pooling(self, writer: gguf.GGUFWriter) -> None:
        """Write how token vectors become one, where the checkpoint is a sentence-embedding model."""
        kind = _pooling_type(self.directory)
        if kind is not None:
            writer.add_pooling_type(kind)

    def gguf_name(self, name: str) -> str | None:
        """The tensor's name in GGUF, None for one that is left out.

        Raises :class:`ConvertError` if unknown.
        """
        if name.endswith(_UNUSED_ENDS) or name.startswith(_SIDE_MODULES):
            return None
        renamed = self.rename(name)
        if renamed is None:
            return None
        found = self._names.get_name(renamed, try_suffixes=_SUFFIXES)
        if found is None:
            raise ConvertError(f"tensor {name!r} has no place in a {self.arch_name} model")
        return str(found)

    def plan(self, checkpoint: Checkpoint, outtype: str) -> list[PlannedTensor]:
        """Every tensor of the output. Raises :class:`ConvertError` for missing layers and unknown names."""
        tensors = [PlannedTensor(name, "F32", values=values) for name, values in self.extra_tensors()]
        tied = self.config.data.get("tie_word_embeddings") is True
        for source in checkpoint:
            name = self.gguf_name(source.name)
            if name is None or (tied and name == "output.weight"):
                continue
            if source.dtype not in FLOATS or not source.shape or 0 in source.shape:
                raise ConvertError(f"tensor {source.name!r} ({source.dtype} {source.shape}) cannot be converted")
            change = self.change(self.rename(source.name) or source.name, source)
            tensors.append(PlannedTensor(name, _target(name, source, outtype), source, change))
        self._check_complete({tensor.name for tensor in tensors}, len(tensors))
        return tensors

    def _lacks_output(self, names: set[str]) -> bool:
        """Whether the output matrix should be there and is not: the engine would take the embeddings."""
        untied = self.config.data.get("tie_word_embeddings") is False
        speaks = any(name.endswith("ForCausalLM") for name in self.config.architectures)
        return untied and speaks and "output.weight" not in names

    def _check_complete(self, names: set[str], count: int) -> None:
        if len(names) != count:
            raise ConvertError("two tensors of the checkpoint have the same place in the model")
        if "token_embd.weight" not in names:
            raise ConvertError("the checkpoint has no token embeddings")
        if self._lacks_output(names):
            raise ConvertError("the checkpoint has no output matrix (lm_head), and it is not tied")
        found = {int(match[1]) for name in names if (match := _BLOCK.search(name))}
        missing = sorted(set(range(self.blocks)) - found)
        if missing:
            raise ConvertError(f"the checkpoint has no tensors of layer {missing[0]} (is a file missing?)")


def _target(name: str, source: SourceTensor, outtype: str) -> str:
    """Norms, biases and position tables stay F32: the engine has no other code for them."""
    if len(source.shape) <= 1 or name.endswith("_norm.weight") or name in _ALWAYS_F32:
        return "F32"
    return outtype


def _pooling_type(directory: Path) -> gguf.PoolingType | None:
    """The pooling that the files of sentence-transformers describe.

    Only directories directly below are read.
    """
    for path in sorted(directory.glob("*_Pooling/config.json")):
        pooling = read_json(path) or {}
        mode = pooling.get("pooling_mode")
        if pooling.get("pooling_mode_mean_tokens") or mode == "mean":
            return gguf.PoolingType.MEAN
        if pooling.get("pooling_mode_cls_token") or mode == "cls":
            return gguf.PoolingType.CLS
        if pooling.get("pooling_mode_lasttoken") or mode == "lasttoken":
            return gguf.PoolingType.LAST
        raise ConvertError(f"{path.parent.name}/config.json: this kind of pooling is not supported")
    return None
