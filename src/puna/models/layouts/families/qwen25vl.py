"""Qwen 2.5-VL, under a name of its own and with its vision tower inside."""

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import (
    CLIP_MEAN,
    CLIP_STD,
    architecture,
    as_f32,
    copied,
    four_sections,
    from_shape,
    hidden,
    missing,
    pixels,
    projector,
    renamed,
)


def _full_attention(edit: Edit) -> None:
    """Say after how many blocks one sees the whole picture."""
    blocks = edit.array(".vision.fullatt_block_indexes")
    edit.set("clip.vision.n_wa_pattern", int(blocks[0]) + 1 if blocks else 8)


LAYOUT = Layout(
    name="qwen25vl",
    architectures=("qwen25vl",),
    text=(architecture("qwen2vl"), four_sections(".rope.mrope_section"), hidden("v.", "mm.")),
    projector=(
        projector("qwen2.5vl_merger", gelu=False),
        copied((".vision.window_size", "clip.vision.window_size")),
        from_shape("clip.vision.feed_forward_length", "v.blk.0.ffn_up.weight", 1),
        _full_attention,
        missing({"clip.vision.image_size": 560}),
        pixels(CLIP_MEAN, CLIP_STD),
        renamed(
            ("v.merger.ln_q", "v.post_ln"),
            ("v.merger.mlp.0", "mm.0"),
            ("v.merger.mlp.2", "mm.2"),
        ),
        lambda edit: edit.rename("v.patch_embd_0.weight", "v.patch_embd.weight"),
        lambda edit: edit.rename("v.patch_embd_1.weight", "v.patch_embd.weight.1"),
        as_f32("v.patch_embd.weight", "v.patch_embd.weight.1"),
    ),
)
