"""A tiny Llama checkpoint made of NumPy arrays, for tests that need no reference to compare with."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "_name_or_path": "someone/Tiny",
}
SHAPES = {
    "model.embed_tokens.weight": (12, 16),
    "model.norm.weight": (16,),
    "model.layers.0.input_layernorm.weight": (16,),
    "model.layers.0.post_attention_layernorm.weight": (16,),
    "model.layers.0.self_attn.q_proj.weight": (16, 16),
    "model.layers.0.self_attn.k_proj.weight": (8, 16),
    "model.layers.0.self_attn.v_proj.weight": (8, 16),
    "model.layers.0.self_attn.o_proj.weight": (16, 16),
    "model.layers.0.mlp.gate_proj.weight": (24, 16),
    "model.layers.0.mlp.up_proj.weight": (24, 16),
    "model.layers.0.mlp.down_proj.weight": (16, 24),
    "lm_head.weight": (12, 16),
}
TOKENIZER = {
    "added_tokens": [
        {"id": 1, "content": "<s>", "special": True},
        {"id": 2, "content": "</s>", "special": True},
    ],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
    "post_processor": None,
    "model": {
        "type": "BPE",
        "vocab": {"<s>": 1, "</s>": 2, "a": 3, "b": 4, "ab": 5, "Ġ": 6, "Ġab": 7},
        "merges": [["a", "b"], ["Ġ", "ab"]],
    },
}

MakeCheckpoint = Callable[..., Path]


def save_safetensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write arrays; uint16 ones are saved as BF16."""
    header, offset = {}, 0
    names = {"float32": "F32", "float16": "F16", "uint16": "BF16", "int64": "I64"}
    for name, values in tensors.items():
        end = offset + values.nbytes
        header[name] = {
            "dtype": names[values.dtype.name],
            "shape": values.shape,
            "data_offsets": [offset, end],
        }
        offset = end
    raw = json.dumps(header).encode()
    data = b"".join(np.ascontiguousarray(values).tobytes() for values in tensors.values())
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> MakeCheckpoint:
    """Write the tiny checkpoint.

    ``config``, ``tokenizer`` and ``tensors`` replace parts (None takes one away).
    """

    def make(config: Any = (), tokenizer: Any = (), tensors: Any = ()) -> Path:
        directory = tmp_path / "checkpoint"
        directory.mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        weights: dict[str, Any] = {name: rng.standard_normal(shape, np.float32) for name, shape in SHAPES.items()}
        for target, changes in (
            (weights, tensors),
            (parts := dict(CONFIG), config),
            (words := dict(TOKENIZER), tokenizer),
        ):
            for name, value in dict(changes).items():
                if value is None:
                    target.pop(name, None)
                else:
                    target[name] = value
        (directory / "config.json").write_text(json.dumps(parts))
        (directory / "tokenizer.json").write_text(json.dumps(words))
        save_safetensors(directory / "model.safetensors", weights)
        return directory

    return make


@pytest.fixture(name="save_safetensors")
def save_safetensors_fixture() -> Callable[[Path, Mapping[str, Any]], None]:
    """The function that writes arrays in the safetensors format."""
    return save_safetensors
