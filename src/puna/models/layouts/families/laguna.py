"""Laguna: the positions of its sliding windows and the gate of its attention under other names."""

from puna.models.layouts.layout import Layout, either, has_keys, has_tensors
from puna.models.layouts.steps import copied, renamed

LAYOUT = Layout(
    name="laguna",
    architectures=("laguna",),
    marked=either(has_keys(".rope.swa.dimension_count", ".rope.swa.freq_base"), has_tensors("blk.0.attn_g.")),
    text=(
        copied(
            (".rope.swa.dimension_count", ".rope.dimension_count_swa"),
            (".rope.swa.freq_base", ".rope.freq_base_swa"),
        ),
        renamed((".attn_g", ".attn_gate")),
    ),
)
