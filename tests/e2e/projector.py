"""A projector that a vision model would have, of random weights and made in a moment, and a picture for it."""

import struct
import zlib
from pathlib import Path

import gguf
import numpy as np

_SIZE, _PATCH, _WIDTH, _INNER, _BLOCKS = 28, 14, 32, 64, 2


def write_projector(path: Path, text_width: int) -> None:
    """Write a projector of the LLaVA kind for a language model of this embedding length."""
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    numbers = {"image_size": _SIZE, "patch_size": _PATCH, "embedding_length": _WIDTH, "feed_forward_length": _INNER}
    numbers |= {"projection_dim": text_width, "block_count": _BLOCKS, "attention.head_count": 2}
    for name, number in numbers.items():
        writer.add_uint32(f"clip.vision.{name}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, rng.normal(0, 0.05, shape).astype(np.float32))

    add("v.class_embd", _WIDTH)
    add("v.patch_embd.weight", _WIDTH, 3, _PATCH, _PATCH)
    add("v.position_embd.weight", (_SIZE // _PATCH) ** 2 + 1, _WIDTH)
    for block in range(_BLOCKS):
        layers = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (_WIDTH, _WIDTH))
        layers |= {"ffn_up": (_INNER, _WIDTH), "ffn_down": (_WIDTH, _INNER), "ln1": (_WIDTH,), "ln2": (_WIDTH,)}
        for name, shape in layers.items():
            add(f"v.blk.{block}.{name}.weight", *shape)
            add(f"v.blk.{block}.{name}.bias", shape[0])
    for name, shape in (("mm.0", (text_width, _WIDTH)), ("mm.2", (text_width, text_width))):
        add(f"{name}.weight", *shape)
        add(f"{name}.bias", text_width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def picture(red: int, green: int, blue: int) -> bytes:
    """Return a PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes([red, green, blue]) * _SIZE
    header = struct.pack(">IIBBBBB", _SIZE, _SIZE, 8, 2, 0, 0, 0)
    body = zlib.compress(row * _SIZE)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
