"""The steps that layouts are made of. Each returns a function that does it to an ``Edit``."""

from collections.abc import Mapping

from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Step
from puna.models.layouts.values import NewValue, bools, f32s, i32s

HALF = f32s(0.5, 0.5, 0.5)
CLIP_MEAN = f32s(0.48145466, 0.4578275, 0.40821073)
CLIP_STD = f32s(0.26862954, 0.26130258, 0.27577711)
"""What OpenAI's CLIP was trained with."""

_PRE = "tokenizer.ggml.pre"
_UNSAID = (None, "", "default")
_VISION = (
    "block_count",
    "embedding_length",
    "feed_forward_length",
    "image_size",
    "patch_size",
    "num_channels",
    "spatial_merge_size",
    "attention.head_count",
    "attention.layer_norm_epsilon",
)


def architecture(name: str) -> Step:
    """Call the architecture, and its own keys, by another name."""
    return lambda edit: edit.rename_architecture(name)


def copied(*pairs: tuple[str, str]) -> Step:
    """Copy values to other keys, unless these are there."""

    def step(edit: Edit) -> None:
        for source, target in pairs:
            edit.copy(source, target)

    return step


def missing(values: Mapping[str, NewValue]) -> Step:
    """Give values to those of the keys that are not there."""

    def step(edit: Edit) -> None:
        for name, value in values.items():
            if edit.get(name) is None:
                edit.set(name, value)

    return step


def fixed(values: Mapping[str, NewValue]) -> Step:
    """Give values to the keys, whatever they had."""

    def step(edit: Edit) -> None:
        for name, value in values.items():
            edit.set(name, value)

    return step


def dropped(*names: str) -> Step:
    """Remove keys."""

    def step(edit: Edit) -> None:
        for name in names:
            edit.drop(name)

    return step


def from_shape(name: str, tensor: str, axis: int, *, always: bool = False) -> Step:
    """Take a missing value from the shape of a tensor (in ggml's order); ``always`` also replaces one."""

    def step(edit: Edit) -> None:
        shape = edit.shape(tensor)
        if shape and len(shape) > axis and (always or edit.get(name) is None):
            edit.set(name, shape[axis])

    return step


def pretokenizer(name: str) -> Step:
    """Name the pre-tokenizer where the file does not say or says "default"."""

    def step(edit: Edit) -> None:
        if edit.get(_PRE) in _UNSAID:
            edit.set(_PRE, name)

    return step


def four_sections(source: str, target: str = ".rope.dimension_sections") -> Step:
    """Make the three sections of rotary positions the four that llama.cpp reads."""

    def step(edit: Edit) -> None:
        sections = edit.array(source)
        if len(sections) == 3:
            edit.set(target, i32s(*(int(section) for section in sections), 0))

    return step


def largest(name: str, otherwise: int = 0) -> Step:
    """Make one number of an array with one for each block, its largest; ``otherwise`` if that is 0."""

    def step(edit: Edit) -> None:
        values = [int(value) for value in edit.array(name)]
        if values and (number := max(values) or otherwise):
            edit.set(name, number)

    return step


def vocabulary_of(tensor: str) -> Step:
    """Cut the vocabulary to the rows of a matrix."""

    def step(edit: Edit) -> None:
        shape = edit.shape(tensor)
        if shape and len(shape) == 2:
            for name in ("tokens", "scores", "token_type"):
                edit.cut(f"tokenizer.ggml.{name}", shape[1])

    return step


def renamed(*pairs: tuple[str, str]) -> Step:
    """Replace parts of tensors' names, in order; a part ends with the name or before a dot."""

    def step(edit: Edit) -> None:
        for old, new in pairs:
            for name in list(edit.tensors):
                if f"{old}." in f"{name}." and (changed := f"{name}.".replace(f"{old}.", f"{new}.", 1)[:-1]) != name:
                    edit.rename(name, changed)

    return step


def ending(old: str, new: str) -> Step:
    """Replace the end of tensors' names."""

    def step(edit: Edit) -> None:
        for name in list(edit.tensors):
            if name.endswith(old):
                edit.rename(name, name[: -len(old)] + new)

    return step


def hidden(*prefixes: str) -> Step:
    """Leave out the tensors whose names begin so."""
    return lambda edit: edit.hide(lambda name: name.startswith(prefixes))


def as_f32(*names: str) -> Step:
    """Write tensors as F32, which the engine wants for what it convolves with or adds."""

    def step(edit: Edit) -> None:
        for name in names:
            tensor = edit.tensors.get(name)
            if tensor and tensor.type.name != "F32":
                edit.compute(name, (name,), tensor.shape, lambda arrays: arrays[0])

    return step


def joined_qkv(prefix: str = "v.blk.") -> Step:
    """Join the queries, keys and values of each block, whose types may differ, into one tensor, and their biases."""

    def step(edit: Edit) -> None:
        for name in list(edit.tensors):
            if name.startswith(prefix) and ".attn_q." in name:
                sources = tuple(name.replace(".attn_q.", f".attn_{part}.") for part in "qkv")
                if all(source in edit.tensors for source in sources):
                    edit.join(name.replace(".attn_q.", ".attn_qkv."), sources, as_f32=True)

    return step


def patches_apart(source: str, target: str) -> Step:
    """Split the weights that turn two frames of patches into vectors into those of each frame, ``target`` and ``.1``.

    The file packs them as [width, height, 2, channels · vectors], and the engine wants [width, height, channels,
    vectors] twice.
    """

    def step(edit: Edit) -> None:
        shape = edit.shape(source)
        channels = edit.whole("clip.vision.num_channels") or 3
        if not shape or len(shape) != 4 or shape[2] != 2 or shape[3] % channels:
            return
        width, height, _, packed = shape
        apart = (width, height, channels, packed // channels)
        edit.compute(target, (source,), apart, lambda arrays: arrays[0][:, 0])
        edit.compute(f"{target}.1", (source,), apart, lambda arrays: arrays[0][:, 1])
        edit.hide(lambda name: name == source)

    return step


def projector(kind: str, *, gelu: bool = True, key: str = "clip.projector_type") -> Step:
    """Say of which kind the projector is, and copy what the architecture's own keys say of the vision tower."""

    def step(edit: Edit) -> None:
        for name in _VISION:
            edit.copy(f".vision.{name}", f"clip.vision.{name}")
        edit.copy(".embedding_length", "clip.vision.projection_dim")
        missing({"clip.has_vision_encoder": True, "clip.use_gelu" if gelu else "clip.use_silu": True})(edit)
        edit.set(key, kind)

    return step


def pixels(mean: NewValue = HALF, std: NewValue = HALF) -> Step:
    """Say how pixels are normalised, where the file does not."""
    return missing({"clip.vision.image_mean": mean, "clip.vision.image_std": std})


def square_image(positions: str) -> Step:
    """Take the size of pictures from the number of positions: as many patches on each side as make these."""

    def step(edit: Edit) -> None:
        shape, patch = edit.shape(positions), edit.whole("clip.vision.patch_size")
        if shape and len(shape) == 2 and patch and edit.get("clip.vision.image_size") is None:
            edit.set("clip.vision.image_size", int(shape[1] ** 0.5) * patch)

    return step


def deepstack(indexes: str) -> Step:
    """Mark the blocks of the tower whose output goes into the language model as well."""

    def step(edit: Edit) -> None:
        blocks = edit.whole("clip.vision.block_count") or 0
        chosen = {int(index) for index in edit.array(indexes)}
        if blocks and edit.get("clip.vision.is_deepstack_layers") is None:
            edit.set("clip.vision.is_deepstack_layers", bools([block in chosen for block in range(blocks)]))

    return step
