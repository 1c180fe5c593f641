"""The layer of Qwen 3.5 that guesses tokens ahead (MTP), which llama.cpp has in a block behind all others."""

import re
from typing import Any

from puna.models.layouts.edit import Edit

_LAYER = re.compile(r"mtp\.layers\.(\d+)\.(.+)")
_EXPERT = re.compile(r"mlp\.experts\.(\d+)\.(gate|up|down)_proj\.weight")
_BLOCK = re.compile(r"blk\.(\d+)\.")
_SHARED = {
    "mtp.fc.weight": "nextn.eh_proj.weight",
    "mtp.pre_fc_norm_embedding.weight": "nextn.enorm.weight",
    "mtp.pre_fc_norm_hidden.weight": "nextn.hnorm.weight",
    "mtp.embed_tokens.weight": "nextn.embed_tokens.weight",
    "mtp.shared_head.head.weight": "nextn.shared_head_head.weight",
    "mtp.shared_head.norm.weight": "nextn.shared_head_norm.weight",
    "mtp.norm.weight": "nextn.shared_head_norm.weight",
}
_NORMS = ("_norm.weight", ".enorm.weight", ".hnorm.weight")
_ATTENTION = (
    "attn_norm",
    "post_attention_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "attn_q_norm",
    "attn_k_norm",
)
_JOINING = {"nextn.eh_proj.weight", "nextn.enorm.weight", "nextn.hnorm.weight"}
_DENSE = ("ffn_gate", "ffn_up", "ffn_down")
_EXPERTS = tuple(f"ffn_{part}_exps" for part in ("gate", "up", "down"))
_SPARSE = ("ffn_gate_inp", "ffn_gate_inp_shexp", *_EXPERTS, *(f"ffn_{part}_shexp" for part in ("gate", "up", "down")))


def guessing_block(edit: Edit) -> None:
    """Move what guesses ahead into a block behind the others, if it is one layer with all that the engine needs.

    Else it stays as it is, for the model runs without.
    """
    layers = {int(found[1]) for name in edit.tensors if (found := _LAYER.fullmatch(name))}
    blocks = {int(found[1]) for name in edit.tensors if (found := _BLOCK.match(name))}
    if layers != {0} or not blocks or any(".nextn." in name for name in edit.tensors):
        return
    needed = {f"{name}.weight" for name in (*_ATTENTION, *(_SPARSE if edit.architecture == "qwen35moe" else _DENSE))}
    experts = _experts(edit)
    moved = {leaf: name for name in edit.tensors if (leaf := _leaf(name)) in needed or name in _SHARED}
    joined = {f"ffn_{part}_exps.weight" for _, part in experts.values()}
    if not needed | _JOINING <= moved.keys() | joined:
        return
    block = max(blocks) + 1
    for part in ("gate", "up", "down"):
        names = sorted((number, name) for name, (number, kind) in experts.items() if kind == part)
        if names:
            edit.stack(f"blk.{block}.ffn_{part}_exps.weight", tuple(name for _, name in names))
    for leaf, name in moved.items():
        new = f"blk.{block}.{leaf}"
        edit.rename(name, new)
        if new.endswith(_NORMS):
            edit.compute(new, (new,), edit.tensors[new].shape, _counted_from_one)
    edit.set(".nextn_predict_layers", 1)
    edit.set(".block_count", block + 1)


def _leaf(name: str) -> str:
    """Return what a tensor is called within the block, "" if it is none of it."""
    layer = _LAYER.fullmatch(name)
    return layer[2] if layer else _SHARED.get(name, "")


def _experts(edit: Edit) -> dict[str, tuple[int, str]]:
    """Return the tensors that hold one expert each, with its number and which of its three matrices they are."""
    found = {}
    for name in edit.tensors:
        layer = _LAYER.fullmatch(name)
        if layer and (expert := _EXPERT.fullmatch(layer[2])):
            found[name] = (int(expert[1]), expert[2])
    return found


def _counted_from_one(arrays: list[Any]) -> Any:
    """Return the weights of a norm as those of all others lie in the file, which have a one added."""
    return arrays[0] + 1
