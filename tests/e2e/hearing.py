"""A projector that hears, of random weights and made in a moment."""

from pathlib import Path

import gguf
import numpy as np

_WIDTH, _INNER, _BLOCKS, _MELS, _STACK = 32, 64, 1, 80, 300
_POSITIONS = 1500
"""Of half a minute, which the engine hears at a time."""
TOKENS = _POSITIONS // _STACK


def write_ears(path: Path, text_width: int) -> None:
    """Write a projector of the Ultravox kind for a language model of this embedding length."""
    rng = np.random.default_rng(2)
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_bool("clip.has_audio_encoder", True)
    writer.add_string("clip.projector_type", "ultravox")
    numbers = {"num_mel_bins": _MELS, "embedding_length": _WIDTH, "feed_forward_length": _INNER}
    numbers |= {"projection_dim": text_width, "block_count": _BLOCKS, "attention.head_count": 2}
    numbers |= {"projector.stack_factor": _STACK}
    for name, number in numbers.items():
        writer.add_uint32(f"clip.audio.{name}", number)
    writer.add_float32("clip.audio.attention.layer_norm_epsilon", 1e-5)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, rng.normal(0, 0.05, shape).astype(np.float32))

    add("a.position_embd.weight", _POSITIONS, _WIDTH)
    for number, width in ((1, _MELS), (2, _WIDTH)):
        writer.add_tensor(f"a.conv1d.{number}.weight", rng.normal(0, 0.2, (_WIDTH, width, 3)).astype(np.float16))
        add(f"a.conv1d.{number}.bias", _WIDTH, 1)
    for block in range(_BLOCKS):
        layers = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (_WIDTH, _WIDTH))
        layers |= {"ffn_up": (_INNER, _WIDTH), "ffn_down": (_WIDTH, _INNER), "ln1": (_WIDTH,), "ln2": (_WIDTH,)}
        for name, shape in layers.items():
            add(f"a.blk.{block}.{name}.weight", *shape)
            if name != "attn_k":
                add(f"a.blk.{block}.{name}.bias", shape[0])
    add("a.post_ln.weight", _WIDTH)
    add("a.post_ln.bias", _WIDTH)
    add("mm.a.norm_pre.weight", _WIDTH * _STACK)
    add("mm.a.mlp.1.weight", 2 * _WIDTH, _WIDTH * _STACK)
    add("mm.a.norm_mid.weight", _WIDTH)
    add("mm.a.mlp.2.weight", text_width, _WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
