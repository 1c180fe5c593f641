"""The vision tower of Qwen 3-VL and 3.5, which lies in the model's own file."""

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Step
from puna.models.layouts.steps import (
    as_f32,
    copied,
    deepstack,
    from_shape,
    joined_qkv,
    missing,
    patches_apart,
    pixels,
    projector,
    renamed,
    square_image,
)

_INDEXES = ".vision.deepstack_visual_indexes"


def _deepstack_mergers(edit: Edit) -> None:
    """Number what joins the middle of the tower to the language model by the block that it follows."""
    for order, block in enumerate(edit.array(_INDEXES)):
        for name in list(edit.tensors):
            prefix = f"v.deepstack_merger.{order}."
            if name.startswith(prefix):
                leaf = name[len(prefix) :].replace("linear_fc", "fc")
                edit.rename(name, f"v.deepstack.{block}.{leaf}")


STEPS: tuple[Step, ...] = (
    projector("qwen3vl_merger"),
    copied(
        (".vision.image_mean", "clip.vision.image_mean"),
        (".vision.image_std", "clip.vision.image_std"),
    ),
    from_shape("clip.vision.feed_forward_length", "v.blk.0.mlp.linear_fc1.weight", 1),
    square_image("v.pos_embed.weight"),
    missing({"clip.vision.attention.layer_norm_epsilon": 1e-6}),
    pixels(),
    deepstack(_INDEXES),
    joined_qkv(),
    patches_apart("v.patch_embed.weight", "v.patch_embd.weight"),
    _deepstack_mergers,
    renamed(
        ("v.pos_embed", "v.position_embd"),
        ("v.patch_embed", "v.patch_embd"),
        ("v.merger.norm", "v.post_ln"),
        ("v.merger.linear_fc1", "mm.0"),
        ("v.merger.linear_fc2", "mm.2"),
        (".mlp.linear_fc1", ".ffn_up"),
        (".mlp.linear_fc2", ".ffn_down"),
        (".norm1", ".ln1"),
        (".norm2", ".ln2"),
    ),
    as_f32("v.position_embd.weight"),
)
