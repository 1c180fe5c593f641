"""Gemma 3: the bases of its rotary positions under other names, perhaps a vision tower, a few tokens too many."""

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout, either, has_keys, has_tensors, lacks_keys
from puna.models.layouts.steps import as_f32, copied, hidden, missing, pixels, projector, renamed, vocabulary_of

_TEMPLATE = (
    "{{ bos_token }}{% set start = '' %}"
    "{% if messages[0].role == 'system' %}{% set start = messages[0].content + '\n\n' %}"
    "{% set messages = messages[1:] %}{% endif %}"
    "{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else 'user' }}\n"
    "{% if loop.first %}{{ start }}{% endif %}"
    "{% if message.content is string %}{{ message.content | trim }}{% else %}"
    "{% for part in message.content %}{{ '<start_of_image>' if part.type == 'image' else part.text | trim }}"
    "{% endfor %}{% endif %}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
"""What Gemma 3 was trained on; a system message stands before the first one of the user."""
_LONG_CONTEXT = 131_072


def _scaling(edit: Edit) -> None:
    """Say how positions are scaled, which all models with the long context were trained with."""
    if (edit.whole(".context_length") or 0) >= _LONG_CONTEXT:
        missing({".rope.scaling.type": "linear", ".rope.scaling.factor": 8.0})(edit)


LAYOUT = Layout(
    name="gemma3",
    architectures=("gemma3",),
    marked=either(
        has_keys(".mm.tokens_per_image", ".rope.global.freq_base", ".rope.local.freq_base"),
        has_keys("tokenizer.ggml.add_padding_token", "tokenizer.ggml.add_unknown_token"),
        has_tensors("v.", "mm."),
        lacks_keys(".attention.layer_norm_rms_epsilon"),
    ),
    text=(
        copied((".rope.global.freq_base", ".rope.freq_base"), (".rope.local.freq_base", ".rope.freq_base_swa")),
        missing({".attention.layer_norm_rms_epsilon": 1e-6, ".rope.freq_base": 1e6, ".rope.freq_base_swa": 1e4}),
        missing({"tokenizer.chat_template": _TEMPLATE}),
        _scaling,
        vocabulary_of("token_embd.weight"),
        hidden("v.", "mm."),
    ),
    projector=(
        projector("gemma3"),
        pixels(),
        renamed(
            ("v.patch_embedding", "v.patch_embd"),
            ("v.position_embedding", "v.position_embd"),
            ("v.post_layernorm", "v.post_ln"),
            (".layer_norm1", ".ln1"),
            (".layer_norm2", ".ln2"),
            (".attn_output", ".attn_out"),
            (".mlp.fc1", ".ffn_down"),
            (".mlp.fc2", ".ffn_up"),
            ("mm.mm_input_projection", "mm.input_projection"),
            ("mm.mm_soft_emb_norm", "mm.soft_emb_norm"),
        ),
        as_f32("v.patch_embd.weight", "v.position_embd.weight"),
    ),
)
