"""LFM2: its last norm under another name, and the width of its layers as it was before rounding."""

from puna.models.gguf import GGUFFile
from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import fixed, from_shape


def _old_norm(gguf: GGUFFile) -> bool:
    names = {tensor.name for tensor in gguf.tensors}
    return "output_norm.weight" in names and "token_embd_norm.weight" not in names


LAYOUT = Layout(
    name="lfm2",
    architectures=("lfm2",),
    marked=_old_norm,
    text=(
        lambda edit: edit.rename("output_norm.weight", "token_embd_norm.weight"),
        fixed({"tokenizer.ggml.pre": "lfm2"}),
        from_shape(".feed_forward_length", "blk.0.ffn_gate.weight", 1, always=True),
    ),
)
