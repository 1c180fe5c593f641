"""GLM 4.7 Flash, which llama.cpp reads as DeepSeek 2: one compressed head, and lengths that are counted for it."""

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import architecture, fixed, missing


def _lengths(edit: Edit) -> None:
    rank, turned = edit.whole(".attention.kv_lora_rank"), edit.whole(".rope.dimension_count")
    head = edit.whole(".attention.key_length")
    edit.set(".attention.head_count_kv", 1)
    if head:
        edit.set(".attention.key_length_mla", head)
        edit.set(".attention.value_length_mla", head)
    if rank and turned:
        edit.set(".attention.key_length", rank + turned)
        edit.set(".attention.value_length", rank)


def _ends(edit: Edit) -> None:
    """Name the second and the third token that end an answer, of which the engine reads no list."""
    tokens = [int(token) for token in edit.array("tokenizer.ggml.eos_token_ids")]
    for name, place in (("eot", 1), ("eom", 2)):
        if len(tokens) > place:
            missing({f"tokenizer.ggml.{name}_token_id": tokens[place]})(edit)


LAYOUT = Layout(
    name="glm4moelite",
    architectures=("glm4moelite",),
    text=(
        architecture("deepseek2"),
        _lengths,
        missing({".expert_group_count": 1, ".expert_group_used_count": 1}),
        fixed({"tokenizer.ggml.pre": "glm4"}),
        _ends,
    ),
)
