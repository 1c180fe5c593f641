"""Qwen 3-VL, dense and with experts."""

from puna.models.layouts.edit import Edit
from puna.models.layouts.families import qwen_vision
from puna.models.layouts.layout import Layout, lacks_keys
from puna.models.layouts.steps import copied, four_sections, hidden, missing
from puna.models.layouts.values import i32s

_SECTIONS = ".rope.dimension_sections"


def _sections(edit: Edit) -> None:
    """Share out the rotary positions as the models with heads of 128 numbers do, if the file does not say."""
    four_sections(".rope.mrope_section")(edit)
    missing({_SECTIONS: i32s(24, 20, 20, 0)})(edit)


def _layers(edit: Edit) -> None:
    missing({".n_deepstack_layers": len(edit.array(".vision.deepstack_visual_indexes"))})(edit)


LAYOUT = Layout(
    name="qwen3vl",
    architectures=("qwen3vl", "qwen3vlmoe"),
    marked=lacks_keys(_SECTIONS),
    text=(_sections, _layers, hidden("v.", "mm.")),
    projector=(
        copied(
            (".vision.temporal_patch_size", "clip.vision.temporal_patch_size"),
            (".vision.rope.freq_base", "clip.vision.rope.freq_base"),
            (".vision.shortest_edge", "clip.vision.image_min_pixels"),
            (".vision.longest_edge", "clip.vision.image_max_pixels"),
        ),
        missing({"clip.vision.image_min_pixels": 65_536, "clip.vision.image_max_pixels": 16_777_216}),
        *qwen_vision.STEPS,
    ),
)
