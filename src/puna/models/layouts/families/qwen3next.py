"""Qwen 3-Next: a count of heads for each block, and one kind of tensor under another name."""

from puna.models.gguf import GGUFFile
from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import ending, largest


def _old_names(gguf: GGUFFile) -> bool:
    return any(tensor.name.endswith(".ssm_dt") for tensor in gguf.tensors)


LAYOUT = Layout(
    name="qwen3next",
    architectures=("qwen3next",),
    marked=_old_names,
    text=(largest(".attention.head_count_kv"), ending(".ssm_dt", ".ssm_dt.bias")),
)
