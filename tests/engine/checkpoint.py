"""A checkpoint of a tiny llama, as a publisher would have it: random weights, a tokenizer of bytes, a chat template."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

SPECIAL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>")
TEMPLATE = (
    "{%- if tools %}<|im_start|>system\n# Tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n"
    "{% endif %}{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content or '' }}"
    "{%- for call in message.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n</tool_call>'
    "{%- endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking %}<think>\n{% endif %}{% endif %}"
)
HIDDEN, FEED_FORWARD, LAYERS, HEADS, KEY_HEADS = 128, 256, 2, 2, 2
HEAD = HIDDEN // HEADS
CONTEXT = 1024


def write_checkpoint(directory: Path, seed: int = 1) -> Path:
    """Write the files of a checkpoint and return their directory."""
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = _vocabulary()
    _write_json(directory / "config.json", _config(len(vocabulary)))
    _write_json(directory / "tokenizer.json", _tokenizer(vocabulary))
    ends = {"bos_token": "<s>", "eos_token": "<|im_end|>"}
    _write_json(
        directory / "tokenizer_config.json",
        {**ends, "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": CONTEXT, "chat_template": TEMPLATE},
    )
    _write_weights(directory / "model.safetensors", len(vocabulary), np.random.default_rng(seed))
    return directory


def _config(vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 3,
        "torch_dtype": "bfloat16",
    }


def _vocabulary() -> dict[str, int]:
    """Return tokens of single bytes, in the letters by which byte-level tokenizers write them, after special ones."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    for place, byte in enumerate(byte for byte in range(256) if byte not in letters):
        letters[byte] = chr(256 + place)
    # ASCII alone: random weights would seldom write the bytes of one letter in order.
    return {token: index for index, token in enumerate([*SPECIAL, *(letters[byte] for byte in range(128))])}


def _tokenizer(vocabulary: dict[str, int]) -> dict[str, Any]:
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, "content": token, **flags} for index, token in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": [],
        },
    }


def _write_weights(path: Path, vocabulary: int, chance: np.random.Generator) -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (vocabulary, HIDDEN),
    }
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        shapes |= {
            f"{at}self_attn.q_proj.weight": (HEADS * HEAD, HIDDEN),
            f"{at}self_attn.k_proj.weight": (KEY_HEADS * HEAD, HIDDEN),
            f"{at}self_attn.v_proj.weight": (KEY_HEADS * HEAD, HIDDEN),
            f"{at}self_attn.o_proj.weight": (HIDDEN, HEADS * HEAD),
            f"{at}mlp.gate_proj.weight": (FEED_FORWARD, HIDDEN),
            f"{at}mlp.up_proj.weight": (FEED_FORWARD, HIDDEN),
            f"{at}mlp.down_proj.weight": (HIDDEN, FEED_FORWARD),
            f"{at}input_layernorm.weight": (HIDDEN,),
            f"{at}post_attention_layernorm.weight": (HIDDEN,),
        }
    header: dict[str, Any] = {}
    data = b""
    for name, shape in shapes.items():
        values = np.ones(shape, "<f4") if len(shape) == 1 else chance.normal(0, 0.05, shape).astype("<f4")
        raw = (values.view("<u4") >> 16).astype("<u2").tobytes()  # the upper half of a float32 is a bfloat16
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)


def _write_json(path: Path, body: dict[str, Any]) -> None:
    path.write_text(json.dumps(body), encoding="utf-8")
