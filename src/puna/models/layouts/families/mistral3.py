"""Mistral Small 3.1 and its kin: the scaling of positions under other names, and a Pixtral tower inside."""

from typing import Any

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout, either, has_keys, has_tensors
from puna.models.layouts.steps import as_f32, copied, hidden, missing, pixels, pretokenizer, projector, renamed
from puna.models.layouts.values import f32s

_MEAN = f32s(0.48145467, 0.4578275, 0.40821072)
_STD = f32s(0.26862955, 0.26130259, 0.2757771)


def _line_break(edit: Edit) -> None:
    """Give the break between rows of patches, which the file has not, the zeros that Ollama gives it."""
    import numpy as np

    width = edit.whole(".embedding_length")
    if width:
        edit.compute("v.token_embd.img_break", (), (width,), lambda _: np.zeros(width, np.float32))


def _rotated(edit: Edit) -> None:
    """Order the rows of queries and keys in pairs, as the engine turns them, instead of in halves."""
    heads = edit.whole(".vision.attention.head_count") or 0

    def in_pairs(matrix: Any) -> Any:
        return matrix.reshape(heads, 2, -1, matrix.shape[-1]).swapaxes(1, 2).reshape(matrix.shape)

    for name, tensor in list(edit.tensors.items()):
        if name.startswith("v.blk.") and name.endswith((".attn_q.weight", ".attn_k.weight")):
            rows = tensor.shape[-1]
            if heads and rows % (2 * heads) == 0:
                edit.reorder(name, in_pairs)


LAYOUT = Layout(
    name="mistral3",
    architectures=("mistral3",),
    marked=either(
        has_tensors("v.", "mm."),
        has_keys(".rope.scaling.beta_fast", ".rope.scaling.mscale_all_dim", ".rope.scaling_beta"),
    ),
    text=(
        copied(
            (".rope.scaling.beta_fast", ".rope.scaling.yarn_beta_fast"),
            (".rope.scaling.beta_slow", ".rope.scaling.yarn_beta_slow"),
            (".rope.scaling.mscale_all_dim", ".rope.scaling.yarn_log_multiplier"),
            (".rope.scaling_beta", ".attention.temperature_scale"),
        ),
        pretokenizer("tekken"),
        hidden("v.", "mm."),
    ),
    projector=(
        projector("pixtral", gelu=False),
        copied(
            (".spatial_merge_size", "clip.vision.spatial_merge_size"),
            (".vision.rope.freq_base", "clip.rope.freq_base"),
        ),
        missing({"clip.vision.attention.layer_norm_epsilon": 1e-5}),
        pixels(_MEAN, _STD),
        _line_break,
        _rotated,
        renamed(
            ("v.patch_conv", "v.patch_embd"),
            ("v.encoder_norm", "v.pre_ln"),
            (".attn_output", ".attn_out"),
            (".attn_norm", ".ln1"),
            (".ffn_norm", ".ln2"),
            ("mm.linear_1", "mm.1"),
            ("mm.linear_2", "mm.2"),
            ("mm.patch_merger.merging_layer", "mm.patch_merger"),
            ("mm.norm", "mm.input_norm"),
        ),
        as_f32("v.patch_embd.weight"),
    ),
)
