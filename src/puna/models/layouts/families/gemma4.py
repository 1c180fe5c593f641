"""Gemma 4: a tokenizer under another name, and what sees and hears in the same file."""

from puna.models.gguf import GGUFFile
from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout, either, has_tensors
from puna.models.layouts.steps import as_f32, copied, ending, hidden, missing, pixels, projector
from puna.models.layouts.values import f32s

_SENSES = ("a.", "v.", "mm.", "model.vision_tower.")
_AUDIO = (
    "block_count",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.layer_norm_epsilon",
)


def _old_tokenizer(gguf: GGUFFile) -> bool:
    return gguf.text("tokenizer.ggml.model") == "llama"


def _tokenizer(edit: Edit) -> None:
    if edit.get("tokenizer.ggml.model") == "llama":
        edit.set("tokenizer.ggml.model", "gemma4")


def _eyes(edit: Edit) -> None:
    if any(name.startswith("v.") for name in edit.tensors):
        projector("gemma4v", key="clip.vision.projector_type")(edit)
        edit.drop("clip.use_gelu")
        copied((".vision.projector.scale_factor", "clip.vision.projector.scale_factor"))(edit)
        missing({"clip.vision.image_size": 224})(edit)
        pixels(f32s(0.0, 0.0, 0.0), f32s(1.0, 1.0, 1.0))(edit)


def _ears(edit: Edit) -> None:
    if not any(name.startswith("a.") for name in edit.tensors):
        return
    copied(*((f".audio.{name}", f"clip.audio.{name}") for name in _AUDIO))(edit)
    copied((".embedding_length", "clip.audio.projection_dim"))(edit)
    missing({"clip.audio.num_mel_bins": 128, "clip.has_audio_encoder": True})(edit)
    edit.set("clip.audio.projector_type", "gemma4a")
    edit.rename("a.pre_encode.out.weight", "a.input_projection.weight")
    edit.rename("mm.a.fc.weight", "a.pre_encode.out.weight")
    edit.rename("mm.a.fc.bias", "a.pre_encode.out.bias")
    for block in range(edit.whole(".audio.block_count") or 0):
        for old, new in (
            ("ln1", "attn_pre_norm"),
            ("ln2", "attn_post_norm"),
            ("layer_pre_norm", "ln2"),
            ("linear_pos", "attn_k_rel"),
        ):
            edit.rename(f"a.blk.{block}.{old}.weight", f"a.blk.{block}.{new}.weight")


LAYOUT = Layout(
    name="gemma4",
    architectures=("gemma4",),
    marked=either(has_tensors(*_SENSES), _old_tokenizer),
    senses=_SENSES,
    text=(
        _tokenizer,
        hidden(*_SENSES),
        ending(".ffn_gate_inp.per_expert_scale", ".ffn_down_exps.scale"),
    ),
    projector=(_eyes, _ears, as_f32("v.patch_embd.weight")),
)
