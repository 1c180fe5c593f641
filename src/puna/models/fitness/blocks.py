"""The tensors of architectures that are known: that all are there, none besides, and each of its size and type."""

from collections.abc import Collection

from puna.models.fitness.architectures import KNOWN, Blocks, Kit, View, is_joined
from puna.models.fitness.sizes import Measures, Sizes
from puna.models.fitness.tensors import check_size, in_block
from puna.models.gguf import GGUFError, GGUFFile
from puna.models.gguf_types import TensorInfo

_SCALES = (".scale", ".input_scale")
"""Of any matrix that is multiplied with, for which the engine looks whatever the architecture (NVFP4 has them)."""
_SINGLE = (
    *(
        ".bias",
        "norm.weight",
        "norm_1.weight",
        "norm_2.weight",
        "ssm_a",
        "ssm_d",
        "conv1d.weight",
        "shortconv.conv.weight",
        "attn_sinks.weight",
    ),
    *("rope_freqs.weight", "token_types.weight", "layer_output_scale.weight", "ffn_gate_inp.scale"),
)
"""Ends of the names of tensors that a processor computes with as F32 alone: it ends with an abort for another type."""
_SELDOM_USED = ("dense_2.bias", "cls.bias", "cls.output.bias", "attn_k_norm.weight")
"""Those of them that not every model of an architecture uses that has them."""


def check_blocks(gguf: GGUFFile) -> None:
    """Raise ``GGUFError`` for a tensor that a known architecture lacks, has not, or has in another size or type."""
    known = KNOWN.get(gguf.architecture)
    if known is None:
        return
    names = {tensor.name for tensor in gguf.tensors}
    view = View(Measures(gguf, known.varies), names)
    guesses = gguf.whole(f"{gguf.architecture}.nextn_predict_layers") or 0
    # What guesses ahead lies behind the others, may lack what is not asked for, and may be alone in a file.
    blocks = 0 if guesses and "blk.0.attn_norm.weight" not in names else (gguf.block_count or 0) - guesses
    ends = known.ends + known.ends_too(view)
    kits = [_kit(known, view, block) for block in range(blocks)]
    _check_all(names, "", ends)
    for block, kit in enumerate(kits):
        _check_all(names, f"blk.{block}.", kit)
    of_kits = {name for kit in known.kits.values() for name in (*kit.needs, *kit.may)}
    for tensor in gguf.tensors:
        place = in_block(tensor.name)
        if place is None:
            _check(tensor, tensor.name, ends, view.measures.of_model, gguf.architecture)
        elif place[0] < blocks:
            block, name = place
            if name in of_kits and not _has(kits[block], name):
                raise GGUFError(f"tensor {tensor.name!r} does not belong in a block of the kind that block {block} is")
            _check(tensor, name, kits[block], view.measures.of(block), gguf.architecture)


def _kit(known: Blocks, view: View, block: int) -> Kit:
    kit = known.every
    for name in known.choose(view, block):
        kit += known.kits[name]
    return kit


def _check_all(names: Collection[str], prefix: str, kit: Kit) -> None:
    for name in kit.needs:
        if prefix + name not in names and not is_joined(name, lambda joined: prefix + joined in names):
            raise GGUFError(f"tensor '{prefix}{name}' is missing")


def _has(kit: Kit, name: str) -> bool:
    return name in kit.needs or name in kit.may


def _check(tensor: TensorInfo, name: str, kit: Kit, sizes: Sizes, architecture: str) -> None:
    shape = kit.needs.get(name) or kit.may.get(name)
    if shape is None:
        if name.endswith(_SCALES) and (_has(kit, f"{name.rpartition('.')[0]}.weight")):
            return
        raise GGUFError(f"tensor {tensor.name!r} is none of a model of the architecture {architecture}")
    check_size(tensor, tuple(_number(size, sizes, tensor.shape[axis : axis + 1]) for axis, size in enumerate(shape)))
    is_used = name not in _SELDOM_USED or name in kit.needs
    if name.endswith(_SINGLE) and is_used and tensor.type.name != "F32":
        raise GGUFError(f"tensor {tensor.name!r} is of the type {tensor.type.name}, and must be F32")


def _number(size: str, sizes: Sizes, has: tuple[int, ...]) -> int | None:
    """Return what a size is; of several that may be, that which it ``has``."""
    numbers = [int(name) if name.isdecimal() else sizes.get(name) for name in size.split("/")]
    wanted = has[0] if has and has[0] in numbers else numbers[0]
    if isinstance(wanted, str):
        raise GGUFError(f"{wanted} is missing")
    return wanted
