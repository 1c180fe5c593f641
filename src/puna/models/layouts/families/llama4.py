"""Llama 4, with its vision tower inside."""

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout, has_tensors
from puna.models.layouts.steps import copied, hidden, missing, pixels, projector, renamed


def _scale(edit: Edit) -> None:
    """Say how many patches on a side become one."""
    ratio = edit.get(".vision.pixel_shuffle_ratio")
    scale = round(1 / ratio) if isinstance(ratio, float) and ratio > 0 else 2
    missing({"clip.vision.projector.scale_factor": scale or 2})(edit)


LAYOUT = Layout(
    name="llama4",
    architectures=("llama4",),
    marked=has_tensors("v.", "mm."),
    text=(hidden("v.", "mm."),),
    projector=(
        projector("llama4"),
        copied(
            (".vision.layer_norm_epsilon", "clip.vision.attention.layer_norm_epsilon"),
            ("clip.projector_type", "clip.vision.projector_type"),
        ),
        _scale,
        pixels(),
        lambda edit: edit.rename("v.positional_embedding_vlm", "v.position_embd.weight"),
        renamed(
            ("v.vision_adapter.mlp.fc1", "mm.model.mlp.1"),
            ("v.vision_adapter.mlp.fc2", "mm.model.mlp.2"),
            ("mm.linear_1", "mm.model.fc"),
            ("v.class_embedding", "v.class_embd"),
            ("v.layernorm_post", "v.post_ln"),
            ("v.layernorm_pre", "v.pre_ln"),
            ("v.patch_embedding", "v.patch_embd"),
            (".attn_output", ".attn_out"),
            (".attn_norm", ".ln1"),
            (".ffn_norm", ".ln2"),
            (".mlp.fc1", ".ffn_up"),
            (".mlp.fc2", ".ffn_down"),
        ),
    ),
)
