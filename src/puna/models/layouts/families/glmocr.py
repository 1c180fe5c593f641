"""GLM-OCR, which llama.cpp reads as GLM 4: two halves of its layers in one tensor, and a vision tower inside."""

import re

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import (
    architecture,
    as_f32,
    copied,
    fixed,
    four_sections,
    hidden,
    projector,
    renamed,
)

_GATE = re.compile(r"blk\.\d+\.ffn_gate\.weight")


def _joined(edit: Edit) -> None:
    """Put the gate of each layer before what it gates, in one tensor."""
    for gate in [name for name in edit.tensors if _GATE.fullmatch(name)]:
        up = gate.replace("ffn_gate", "ffn_up")
        if up in edit.tensors:
            edit.join(up, (gate, up))


LAYOUT = Layout(
    name="glmocr",
    architectures=("glmocr",),
    text=(
        architecture("glm4"),
        four_sections(".rope.mrope_section"),
        copied((".attention.key_length", ".rope.dimension_count")),
        fixed({"tokenizer.ggml.pre": "chatglm-bpe"}),
        renamed(
            (".attn_out", ".attn_output"),
            (".post_attn_norm", ".post_attention_norm"),
            (".post_ffn_norm", ".post_ffw_norm"),
        ),
        _joined,
        hidden("v.", "mm."),
    ),
    projector=(
        copied(
            (".vision.out_hidden_size", "clip.vision.projection_dim"),
            (".vision.intermediate_size", "clip.vision.feed_forward_length"),
            (".vision.attention.layer_norm_rms_epsilon", "clip.vision.attention.layer_norm_epsilon"),
            (".vision.image_mean", "clip.vision.image_mean"),
            (".vision.image_std", "clip.vision.image_std"),
        ),
        projector("glm4v", gelu=False),
        lambda edit: edit.rename("v.patch_embd_0.weight", "v.patch_embd.weight"),
        lambda edit: edit.rename("v.patch_embd_1.weight", "v.patch_embd.weight.1"),
        as_f32("v.patch_embd.weight", "v.patch_embd.weight.1"),
    ),
)
