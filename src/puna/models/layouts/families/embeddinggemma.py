"""EmbeddingGemma, which calls itself gemma3 and has two dense layers behind it."""

from puna.models.layouts.layout import Layout, has_tensors
from puna.models.layouts.steps import architecture, copied, dropped, from_shape, missing, renamed

LAYOUT = Layout(
    name="embeddinggemma",
    architectures=("gemma3",),
    marked=has_tensors("dense.0.weight"),
    text=(
        architecture("gemma-embedding"),
        dropped(".attention.causal", ".attention.sliding_window_pattern"),
        copied((".rope.global.freq_base", ".rope.freq_base"), (".rope.local.freq_base", ".rope.freq_base_swa")),
        missing({".rope.freq_base_swa": 1e4}),
        from_shape(".dense_2_feat_in", "dense.0.weight", 0),
        from_shape(".dense_2_feat_out", "dense.0.weight", 1),
        from_shape(".dense_3_feat_in", "dense.1.weight", 0),
        from_shape(".dense_3_feat_out", "dense.1.weight", 1),
        renamed(("dense.0", "dense_2"), ("dense.1", "dense_3")),
        lambda edit: edit.rename("norm.weight", "output_norm.weight"),
    ),
)
