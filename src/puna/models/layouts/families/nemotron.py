"""Nemotron 3: latent experts under other names, and the omni model's towers inside."""

from typing import Any

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout, has_tensors
from puna.models.layouts.steps import CLIP_MEAN, CLIP_STD, as_f32, copied, hidden, missing, pixels, projector, renamed

_OMNI = "nemotron_h_omni"
_SENSES = ("a.", "v.", "mm.")
_POSITIONS, _PATCHES = "v.position_embd.weight", "v.patch_embd.weight"
_VISION_KEYS = (
    "projector.scale_factor",
    "image_mean",
    "image_std",
    "image_token_id",
    "image_start_token_id",
    "image_end_token_id",
    "max_tiles",
    "min_num_patches",
    "max_num_patches",
)


def _latent(edit: Edit) -> None:
    shape = next((item.shape for name, item in edit.tensors.items() if name.endswith(".ffn_latent_in.weight")), None)
    if shape:
        missing({".moe_latent_size": shape[1]})(edit)
    renamed((".ffn_latent_in", ".ffn_latent_down"), (".ffn_latent_out", ".ffn_latent_up"))(edit)


def _language_model(edit: Edit) -> None:
    """Name the architecture without its towers, of which the engine has two: with experts and without."""
    for name in [key for key in edit.keys if key.startswith((f"{_OMNI}.vision.", f"{_OMNI}.audio."))]:
        edit.drop(name)
    experts = (edit.whole(".expert_count") or 0) or (edit.whole(".expert_used_count") or 0)
    edit.rename_architecture("nemotron_h_moe" if experts else "nemotron_h")


def _sizes(edit: Edit) -> None:
    missing({"clip.vision.embedding_length": 1280, "clip.vision.image_size": 512, "clip.vision.patch_size": 16})(edit)
    width = edit.whole("clip.vision.embedding_length") or 0
    missing(
        {
            "clip.vision.block_count": 32,
            "clip.vision.feed_forward_length": 4 * width,
            "clip.vision.attention.head_count": 16,
            "clip.vision.attention.layer_norm_epsilon": 1e-6,
            "clip.vision.num_channels": 3,
            "clip.vision.projector.scale_factor": 2,
        }
    )(edit)
    edit.set("clip.has_audio_encoder", False)


def _positions(edit: Edit) -> None:
    """Interpolate the positions of the largest picture to those of the size that is used, corners on corners."""
    edit.rename("v.position_embd", _POSITIONS)
    shape, width = edit.shape(_POSITIONS), edit.whole("clip.vision.embedding_length") or 0
    image, patch = edit.whole("clip.vision.image_size") or 0, edit.whole("clip.vision.patch_size") or 1
    side = image // patch
    if shape and side and width in shape:
        edit.compute(
            _POSITIONS, (_POSITIONS,), (width, side * side), lambda arrays: _interpolated(arrays[0], width, side)
        )


def _interpolated(positions: Any, width: int, side: int) -> Any:
    import numpy as np

    flat = positions.reshape(-1, width) if positions.shape[-1] == width else positions.reshape(width, -1).T
    had = round(len(flat) ** 0.5)
    grid = flat.reshape(had, had, width)
    at = np.arange(side) * (had - 1) / max(side - 1, 1)
    low = np.floor(at).astype(int)
    high, part = np.minimum(low + 1, had - 1), (at - low).astype(np.float32)
    across = grid[:, low] * (1 - part)[None, :, None] + grid[:, high] * part[None, :, None]
    both = across[low] * (1 - part)[:, None, None] + across[high] * part[:, None, None]
    return both.reshape(side * side, width)


def _patches(edit: Edit) -> None:
    """Give the weights of patches, which lie flat, the four dimensions that the engine wants."""
    shape, patch = edit.shape(_PATCHES), edit.whole("clip.vision.patch_size") or 0
    channels = edit.whole("clip.vision.num_channels") or 3
    if shape and len(shape) == 2 and shape[0] == patch * patch * channels:
        edit.compute(_PATCHES, (_PATCHES,), (patch, patch, channels, shape[1]), lambda arrays: arrays[0])


LAYOUT = Layout(
    name="nemotron_h_moe",
    architectures=("nemotron_h_moe",),
    marked=has_tensors("blk.0.ffn_latent_in", "blk.1.ffn_latent_in", "mtp."),
    text=(_latent, hidden("mtp.")),
)
OMNI = Layout(
    name=_OMNI,
    architectures=(_OMNI,),
    senses=_SENSES,
    text=(_language_model, hidden(*_SENSES, "mtp."), _latent),
    projector=(
        hidden("a."),  # the engine has nothing that hears with this tower
        copied(*((f".vision.{name}", f"clip.vision.{name}") for name in _VISION_KEYS)),
        projector("nemotron_v2_vl", key="clip.vision.projector_type"),
        _sizes,
        pixels(CLIP_MEAN, CLIP_STD),
        lambda edit: edit.rename("v.cls_embd", "v.class_embd"),
        as_f32("v.class_embd"),
        _positions,
        _patches,
        lambda edit: edit.rename("mm.norm.weight", "mm.model.mlp.0.weight"),
        lambda edit: edit.rename("mm.1.weight", "mm.model.mlp.1.weight"),
        lambda edit: edit.rename("mm.2.weight", "mm.model.mlp.3.weight"),
    ),
)
