"""DeepSeek-OCR: its experts' sizes only in their shapes, and two towers (SAM and CLIP) inside."""

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import (
    architecture,
    as_f32,
    copied,
    ending,
    from_shape,
    hidden,
    missing,
    pixels,
    projector,
    renamed,
)


def _shared_experts(edit: Edit) -> None:
    shape, width = edit.shape("blk.1.ffn_down_shexp.weight"), edit.whole(".expert_feed_forward_length")
    if shape and width:
        missing({".expert_shared_count": shape[0] // width})(edit)


def _sam(edit: Edit) -> None:
    for name in [name for name in edit.tensors if name.startswith("s.")]:
        edit.rename(name, f"v.sam.{name[2:]}")
    edit.rename("v.sam.position_embd", "v.sam.pos_embd.weight")


LAYOUT = Layout(
    name="deepseekocr",
    architectures=("deepseekocr",),
    senses=("s.", "v.", "mm."),
    text=(
        architecture("deepseek2-ocr"),
        missing({".attention.layer_norm_rms_epsilon": 1e-6}),
        from_shape(".expert_feed_forward_length", "blk.1.ffn_down_exps.weight", 0),
        _shared_experts,
        hidden("s.", "v.", "mm."),
    ),
    projector=(
        copied(
            (".vision.head_count", "clip.vision.attention.head_count"),
            (".sam.block_count", "clip.vision.sam.block_count"),
            (".sam.embedding_length", "clip.vision.sam.embedding_length"),
            (".sam.head_count", "clip.vision.sam.head_count"),
        ),
        missing(
            {
                "clip.vision.feed_forward_length": 64,
                "clip.vision.projection_dim": 1280,
                "clip.vision.projector.scale_factor": 1,
                "clip.vision.window_size": 14,
                "clip.vision.attention.layer_norm_epsilon": 1e-6,
            }
        ),
        projector("deepseekocr"),
        pixels(),
        _sam,
        renamed(
            (".self_attn.out_proj", ".attn_out"),
            (".self_attn.qkv_proj", ".attn_qkv"),
            (".layer_norm1", ".ln1"),
            (".layer_norm2", ".ln2"),
            (".mlp.fc1", ".ffn_up"),
            (".mlp.fc2", ".ffn_down"),
            ("v.pre_layrnorm", "v.pre_ln"),  # so spelt in the files
            (".attn.proj", ".attn.out"),
            (".norm1", ".pre_ln"),
            (".norm2", ".post_ln"),
            ("mm.layers", "mm.model.fc"),
            ("mm.image_newline", "v.image_newline"),
            ("mm.view_seperator", "v.view_seperator"),
        ),
        ending(".attn.rel_pos_h", ".attn.pos_h.weight"),
        ending(".attn.rel_pos_w", ".attn.pos_w.weight"),
        as_f32("v.patch_embd.weight", "v.sam.patch_embd.weight", "v.position_embd.weight"),
    ),
)
