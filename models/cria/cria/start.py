"""Going on from a GGUF that was written before: its network and its tokenizer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from cria import tokenizer as tokenizers
from cria.chat import CONTROL_TOKENS, MARKUP_TOKENS
from cria.model import Cria, Shape


def halves(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo ``export.neighbours``: reorder the rows of a query or key matrix so that rotary neighbours become halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def read_network(path: Path, sizes: Mapping[str, Any] | None = None) -> Cria:
    """The network of a file that ``cria.export`` wrote, up to the rounding of its type.

    ``sizes`` may name another context and another base of its positions, to which training has to accustom it.
    """
    reader = gguf.GGUFReader(path)
    weights = {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    shape = _shape(reader, weights["token_embd.weight"].shape)
    state = {"embedding.weight": weights["token_embd.weight"], "norm.weight": weights["output_norm.weight"]}
    for index in range(shape.layers):
        ours, theirs = f"blocks.{index}", f"blk.{index}"
        query, key = (halves(weights[f"{theirs}.attn_{name}.weight"], shape.heads) for name in "qk")
        state |= {
            f"{ours}.attention_norm.weight": weights[f"{theirs}.attn_norm.weight"],
            f"{ours}.qkv.weight": np.concatenate([query, key, weights[f"{theirs}.attn_v.weight"]]),
            f"{ours}.output.weight": weights[f"{theirs}.attn_output.weight"],
            f"{ours}.feed_norm.weight": weights[f"{theirs}.ffn_norm.weight"],
            f"{ours}.gate_up.weight": np.concatenate(
                [weights[f"{theirs}.ffn_{name}.weight"] for name in ("gate", "up")]
            ),
            f"{ours}.down.weight": weights[f"{theirs}.ffn_down.weight"],
        }
    model = Cria(replace(shape, **(sizes or {})))
    model.load_state_dict({name: _tensor(weight) for name, weight in state.items()})
    return model


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a file that ``cria.export`` wrote; raises ``ValueError`` if its tokens come out otherwise."""
    reader = gguf.GGUFReader(path)
    letters = {letter: byte for byte, letter in tokenizers.LETTERS.items()}
    merges = []
    for merge in _value(reader, "tokenizer.ggml.merges"):
        left, right = (bytes(letters[letter] for letter in part) for part in merge.split(" "))
        merges.append((left, right))
    made = tokenizers.build(merges)
    tokens = [token for token, _ in sorted(made.get_vocab().items(), key=lambda entry: entry[1])]
    if tokens != _value(reader, "tokenizer.ggml.tokens"):
        raise ValueError(f"{path} has another vocabulary than its merges and {CONTROL_TOKENS + MARKUP_TOKENS} make")
    return made


def _shape(reader: gguf.GGUFReader, embedding: tuple[int, ...]) -> Shape:
    return Shape(
        vocabulary=embedding[0],
        width=embedding[1],
        layers=_value(reader, "llama.block_count"),
        heads=_value(reader, "llama.attention.head_count"),
        hidden=_value(reader, "llama.feed_forward_length"),
        context=_value(reader, "llama.context_length"),
        rope_base=float(_value(reader, "llama.rope.freq_base")),
        norm_epsilon=float(np.float64(str(_value(reader, "llama.attention.layer_norm_rms_epsilon")))),
    )


def _value(reader: gguf.GGUFReader, key: str) -> object:
    field = reader.get_field(key)
    if field is None:
        raise ValueError(f"the file says nothing of {key}")
    return field.contents()


def _tensor(weight: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(weight, dtype=np.float32))
