"""Projectors: what turns pictures and sound into vectors, in a file of its own or as one that was made of a model's.

llama.cpp (``tools/mtmd/clip.cpp``) compares neither names nor shapes when it loads one: it aborts or dies on what does
not fit when it lays out its graph, or when the first picture comes. So what it relies on is asked here, of the kinds of
projectors in ``_KNOWN`` all of it, of others what holds for each.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from puna.models.fitness.keys import check, check_there
from puna.models.fitness.stored import Kind, kinds
from puna.models.fitness.tensors import UNUSABLE, check_places, check_size
from puna.models.gguf import GGUFArray, GGUFError, GGUFFile
from puna.models.gguf_types import TensorInfo, ValueType

U32, BOOL, F32 = ValueType.UINT32, ValueType.BOOL, ValueType.FLOAT32
_BLOCK = re.compile(r"v\.blk\.(\d{1,9})\.(.+)", re.ASCII)
_NUMBERS = ("embedding_length", "attention.head_count", "feed_forward_length", "block_count", "projection_dim")
_OF_ONE = {"vision": ("image_size", "patch_size"), "audio": ("num_mel_bins",)}
_POSITIVE = ("embedding_length", "patch_size")
_MOST = {"image_size": 8192, "patch_size": 65535, "block_count": 512, "embedding_length": 1 << 20}
"""What ``clip.cpp`` states, and for the last two what nothing comes near to."""
_COLORS = ("image_mean", "image_std")
_PER_COLOR = 3
_VECTORS = ("ln1", "ln2", "ls1", "ls2", "attn_post_norm", "ffn_post_norm")
_FROM_WIDTH, _TO_WIDTH = ("attn_q", "attn_k", "attn_v", "attn_qkv", "ffn_gate"), ("attn_out",)
_IN_FRONT = ("v.class_embd", "v.pre_ln.weight", "v.pre_ln.bias", "v.position_embd.weight")
_SINGLE = (
    ".bias",
    "norm.weight",
    "ln1.weight",
    "ln2.weight",
    "pre_ln.weight",
    "post_ln.weight",
    "ls1.weight",
    "ls2.weight",
)
"""Ends of the names of tensors that are added to or multiplied with what is F32, which no processor does otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Projector:
    """One kind: the tensors that it ``needs``, the keys that it needs or reads, and which size of which tensor is the
    width of what it makes, that of the language model. ``swaps``: its files may have the names of two matrices
    exchanged, which the engine knows."""

    needs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    out: tuple[str, int] | None = None
    swaps: bool = False


_MERGED = ("mm.0.weight", "mm.0.bias", "mm.2.weight", "mm.2.bias")
_MERGE, _SCALE = ("spatial_merge_size",), ("projector.scale_factor",)
_PIXELS = ("image_min_pixels", "image_max_pixels")
_KNOWN: Mapping[str, _Projector] = {
    "mlp": _Projector(swaps=True),
    "gemma3": _Projector(
        needs=("mm.input_projection.weight", "mm.soft_emb_norm.weight"),
        reads=_SCALE,
        out=("mm.input_projection.weight", 0),
        swaps=True,
    ),
    "gemma4v": _Projector(needs=("mm.input_projection.weight",), reads=_SCALE, out=("mm.input_projection.weight", 1)),
    "pixtral": _Projector(
        needs=("mm.1.weight", "mm.2.weight", "v.token_embd.img_break"), reads=_MERGE, out=("mm.2.weight", 1)
    ),
    "qwen2vl_merger": _Projector(needs=_MERGED, reads=(*_MERGE, "n_wa_pattern"), out=("mm.2.bias", 0), swaps=True),
    "qwen2.5vl_merger": _Projector(
        needs=_MERGED, keys=("n_wa_pattern",), reads=_MERGE, out=("mm.2.bias", 0), swaps=True
    ),
    "qwen3vl_merger": _Projector(needs=_MERGED, reads=(*_MERGE, "n_wa_pattern"), out=("mm.2.bias", 0)),
    "llama4": _Projector(
        needs=("mm.model.fc.weight", "mm.model.mlp.1.weight", "mm.model.mlp.2.weight"),
        reads=_SCALE,
        out=("mm.model.fc.weight", 1),
    ),
    "glm4v": _Projector(
        needs=tuple(
            f"mm.{name}"
            for name in (
                *("model.fc.weight", "up.weight", "gate.weight", "down.weight", "post_norm.weight"),
                *("patch_merger.weight", "patch_merger.bias"),
            )
        ),
        reads=_MERGE,
    ),
    "nemotron_v2_vl": _Projector(
        needs=tuple(f"mm.model.mlp.{number}.weight" for number in (0, 1, 3)),
        reads=_SCALE,
        out=("mm.model.mlp.3.weight", 1),
    ),
}


def check_projector(gguf: GGUFFile, width: int = 0) -> None:
    """Raise ``GGUFError`` for the header of a projector that no engine can load or use.

    ``width`` is that of the language model beside which it is loaded, 0 if that is not known.
    """
    found = kinds(gguf)
    check(found, "general.alignment", U32)
    for name in ("has_vision_encoder", "has_audio_encoder", "use_gelu", "use_silu"):
        check(found, f"clip.{name}", BOOL)
    if gguf.metadata.get("clip.use_gelu") and gguf.metadata.get("clip.use_silu"):
        raise GGUFError("clip.use_gelu and clip.use_silu are both true")
    check_places(gguf)
    senses = [sense for sense in _OF_ONE if gguf.metadata.get(f"clip.has_{sense}_encoder")]
    for sense in senses:
        _check_sense(gguf, found, sense)
    if not senses and not gguf.metadata.get("clip.has_gen_audio_encoder"):
        raise GGUFError("it says that it sees nothing (clip.has_vision_encoder) and hears nothing")
    if "vision" in senses and (known := _KNOWN.get(_kind(gguf, "vision"))):
        _Eyes(gguf, known, width).check(found)


def _kind(gguf: GGUFFile, sense: str) -> str:
    return gguf.text("clip.projector_type") or gguf.text(f"clip.{sense}.projector_type") or ""


def _check_sense(gguf: GGUFFile, found: Mapping[str, Kind], sense: str) -> None:
    prefix = f"clip.{sense}."
    if not _kind(gguf, sense):
        raise GGUFError(f"{prefix}projector_type is missing")
    for name in (*_NUMBERS, *_OF_ONE[sense]):
        check_there(gguf, prefix + name)
        check(found, prefix + name, U32)
        value, least = gguf.whole(prefix + name) or 0, int(name in _POSITIVE)
        if not least <= value <= _MOST.get(name, 2**31 - 1):
            raise GGUFError(f"{prefix}{name} is {value} (it must be {least} to {_MOST.get(name, 2**31 - 1)})")
    check_there(gguf, f"{prefix}attention.layer_norm_epsilon")
    check(found, f"{prefix}attention.layer_norm_epsilon", F32)
    for name in ("attention.head_count_kv", "attention.head_dim"):
        check(found, prefix + name, U32)
    if sense == "vision":
        for name in _COLORS:
            _check_colors(gguf, found, prefix + name)


def _check_colors(gguf: GGUFFile, found: Mapping[str, Kind], key: str) -> None:
    value, kind = gguf.metadata.get(key), found.get(key)
    if not isinstance(value, tuple | GGUFArray) or len(value) < _PER_COLOR:
        raise GGUFError(f"{key} must have {_PER_COLOR} numbers")
    if kind is not None and kind.element != F32:
        raise GGUFError(f"{key} is {kind.name}, and must have float32")


def _check_type(tensor: TensorInfo) -> None:
    kind = tensor.type.name
    if tensor.name.endswith((".weight", ".bias")) and kind in UNUSABLE:
        raise GGUFError(f"tensor {tensor.name!r} is of the type {kind}, with which nothing is multiplied")
    if tensor.name.endswith(_SINGLE) and kind != "F32":
        raise GGUFError(f"tensor {tensor.name!r} is of the type {kind}, and must be F32")


@dataclass(frozen=True, slots=True)
class _Eyes:
    """A projector for pictures of a kind that is known."""

    gguf: GGUFFile
    known: _Projector
    model_width: int
    tensors: dict[str, TensorInfo] = field(default_factory=dict)

    def check(self, found: Mapping[str, Kind]) -> None:
        """Raise ``GGUFError`` for a key or tensor that is missing, or one of another size."""
        self.tensors.update((tensor.name, tensor) for tensor in self.gguf.tensors)
        self._check_keys(found)
        for name in self.known.needs:
            self._check_there(name)
        for block in range(self.gguf.whole("clip.vision.block_count") or 0):
            self._check_block(f"v.blk.{block}.")
        width = self.gguf.whole("clip.vision.embedding_length")
        for name, tensor in self.tensors.items():
            if name.startswith(("v.", "mm.")):
                _check_type(tensor)
            if (match := _BLOCK.fullmatch(name)) is not None:
                self._check_in_block(tensor, match[2], width)
            elif name in _IN_FRONT:
                check_size(tensor, (width, *(None for _ in tensor.shape[1:])))
        self._check_out()

    def _check_keys(self, found: Mapping[str, Kind]) -> None:
        if not self.gguf.whole("clip.vision.attention.head_count"):
            raise GGUFError("clip.vision.attention.head_count is 0")
        for name in self.known.keys:
            check_there(self.gguf, f"clip.vision.{name}")
        for name in (*self.known.keys, *self.known.reads):
            check(found, f"clip.vision.{name}", U32)
        merge = (self.gguf.whole(f"clip.vision.{name}") for name in (*_MERGE, *_SCALE) if name in self.known.reads)
        if 0 in merge:
            raise GGUFError("the number of patches that its projector joins is 0")

    def _check_there(self, name: str) -> None:
        if name not in self.tensors:
            raise GGUFError(f"tensor {name!r} of the projector is missing")

    def _check_block(self, prefix: str) -> None:
        for name in ("attn_out", "ffn_up", "ffn_down"):
            self._check_there(f"{prefix}{name}.weight")
        if f"{prefix}attn_qkv.weight" not in self.tensors:
            for name in ("attn_q", "attn_k", "attn_v"):
                self._check_there(f"{prefix}{name}.weight")

    def _check_in_block(self, tensor: TensorInfo, name: str, width: int | None) -> None:
        part, _, suffix = name.rpartition(".")
        if part in _VECTORS:
            check_size(tensor, (width,))
        elif suffix != "weight":
            return
        elif part in _FROM_WIDTH:
            check_size(tensor, (width, None))
        elif part in _TO_WIDTH:
            check_size(tensor, (None, width))
        elif part in {"ffn_up", "ffn_down"} and not (self.known.swaps and self._is_swapped(tensor.name, width)):
            check_size(tensor, (width, None) if part == "ffn_up" else (None, width))

    def _is_swapped(self, name: str, width: int | None) -> bool:
        """Return whether the two matrices of a block have each other's name."""
        down = self.tensors[f"{name.rpartition('.ffn_')[0]}.ffn_down.weight"]
        return down.shape[:1] == (width,)

    def _check_out(self) -> None:
        if self.known.out is None or not self.model_width:
            return
        name, axis = self.known.out
        shape = self.tensors[name].shape
        size = shape[axis] if axis < len(shape) else 1
        if size != self.model_width:
            raise GGUFError(f"its projector makes vectors of {size} numbers for a model of {self.model_width}")
