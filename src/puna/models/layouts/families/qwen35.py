"""Qwen 3.5, dense and with experts: a count of heads for each block, three rotary sections, a vision tower."""

from puna.models.layouts.families import qwen_mtp, qwen_vision
from puna.models.layouts.layout import Layout, either, has_keys, has_tensors
from puna.models.layouts.steps import ending, four_sections, hidden, largest

_SECTIONS = ".rope.dimension_sections"
_KEYS = (
    ".vision.block_count",
    ".image_token_id",
    ".ssm.v_head_reordered",
    ".rope.mrope_interleaved",
)


def _layout(architecture: str, *more: str) -> Layout:
    return Layout(
        name=architecture,
        architectures=(architecture,),
        marked=either(has_keys(*_KEYS, *more), has_tensors("mtp.", "v.")),
        text=(
            largest(".attention.head_count_kv", 2),
            four_sections(_SECTIONS),
            ending(".ssm_dt", ".ssm_dt.bias"),
            qwen_mtp.guessing_block,
            hidden("v.", "mm.", "mtp."),
        ),
        projector=qwen_vision.STEPS,
    )


LAYOUT = _layout("qwen35")
WITH_EXPERTS = _layout("qwen35moe", ".feed_forward_length")
