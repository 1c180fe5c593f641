"""Llama, and what was made of it: files as Ollama has them, and what llama.cpp must find in them."""

from pathlib import Path

from tests.models.layouts.files import arrays, write, written
from tests.models.layouts.translated import BASE, EYES, projector_of, text_of

from puna.models.gguf import read_gguf
from puna.models.layouts.translation import language_model, layout_of


def test_llama4(tmp_path: Path) -> None:
    given = {".vision.pixel_shuffle_ratio": 0.5}
    old = arrays(
        token_embd__weight=(4, 8),
        v__positional_embedding_vlm=(5, 8),
        v__class_embedding=(8,),
        v__blk__0__mlp__fc1__weight=(8, 8),
        v__vision_adapter__mlp__fc1__weight=(8, 8),
        mm__linear_1__weight=(8, 8),
    )
    _, tensors = text_of(tmp_path, "llama4", given | EYES, old)
    assert list(tensors) == ["token_embd.weight"]
    keys, tensors = projector_of(tmp_path, "llama4", given, old)
    assert keys["clip.projector_type"] == keys["clip.vision.projector_type"] == "llama4"
    assert keys["clip.vision.projector.scale_factor"] == 2
    assert set(tensors) == {
        "v.position_embd.weight",
        "v.class_embd",
        "v.blk.0.ffn_up.weight",
        "mm.model.mlp.1.weight",
        "mm.model.fc.weight",
    }


def llama3(tmp_path: Path, end_of_text: str, pre: str) -> Path:
    tokens = [f"t{index}" for index in range(128_256)]
    tokens[128_001], tokens[128_006], tokens[128_009] = end_of_text, "<|start_header_id|>", "<|eot_id|>"
    keys = BASE | {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.eos_token_id": 128_001,
    }
    return write(tmp_path / "llama.gguf", "llama", keys, arrays(token_embd__weight=(4, 8)))


def test_llama3_ends_with_its_turn(tmp_path: Path) -> None:
    translation = language_model(read_gguf(llama3(tmp_path, "<|end_of_text|>", "default")))
    assert translation is not None
    keys, _ = written(translation, tmp_path / "new.gguf")
    assert keys["tokenizer.ggml.pre"] == "llama-bpe"
    assert keys["tokenizer.ggml.eos_token_id"] == keys["tokenizer.ggml.eot_token_id"] == 128_009
    assert keys["tokenizer.ggml.eos_token_ids"] == (128_009,)


def test_a_distillation_keeps_its_own_end(tmp_path: Path) -> None:
    """DeepSeek's own end of a sentence stands where Llama 3 has the end of a text."""
    own = "<｜end▁of▁sentence｜>"
    assert layout_of(read_gguf(llama3(tmp_path, own, "llama-bpe"))) is None
    translation = language_model(read_gguf(llama3(tmp_path, own, "default")))
    assert translation is not None
    keys, _ = written(translation, tmp_path / "new.gguf")
    assert keys["tokenizer.ggml.pre"] == "llama-bpe"
    assert keys["tokenizer.ggml.eos_token_id"] == 128_001


def test_llava_projector_without_a_type(tmp_path: Path) -> None:
    given = {"clip.has_vision_encoder": True}
    path = write(tmp_path / "old.gguf", "clip", given, arrays(v__class_embd=(8,)))
    translation = language_model(read_gguf(path))
    assert translation is not None
    keys, _ = written(translation, tmp_path / "new.gguf")
    assert keys["clip.projector_type"] == "mlp"
