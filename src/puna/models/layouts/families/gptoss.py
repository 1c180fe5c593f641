"""gpt-oss, under the names of Ollama's own engine."""

from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import architecture, ending, fixed, from_shape, missing, renamed

LAYOUT = Layout(
    name="gptoss",
    architectures=("gptoss",),
    text=(
        architecture("gpt-oss"),
        from_shape(".expert_feed_forward_length", "blk.0.ffn_gate_exps.weight", 1),
        missing({".rope.scaling.type": "yarn"}),
        fixed({"tokenizer.ggml.pre": "gpt-4o"}),
        renamed((".attn_out", ".attn_output"), (".ffn_norm", ".post_attention_norm")),
        ending(".attn_sinks", ".attn_sinks.weight"),
    ),
)
