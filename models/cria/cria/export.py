"""Writing a checkpoint as GGUF."""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from cria import tokenizer as tokenizers
from cria.chat import CONTROL_TOKENS, END, END_OF_TEXT, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, MARKUP_TOKENS
from cria.model import Cria, Shape

TYPES = {
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "Q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
}
EMBEDDING = "token_embd.weight"
TEMPLATE = Path(__file__).with_name("chat_template.jinja")


def load_model(checkpoint: Path) -> Cria:
    """The network of a checkpoint, with the running mean of its weights, in 32 bits on the CPU."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = Cria(Shape(**state["shape"]))
    model.load_state_dict(state["mean"]["weights"])
    return model.eval()


def neighbours(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder the rows of a query or key matrix so that rotary halves become neighbours, as llama.cpp pairs them."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors(model: Cria) -> dict[str, NDArray[np.float32]]:
    """The weights under llama.cpp's names."""
    state = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
    heads = model.shape.heads
    named = {EMBEDDING: state["embedding.weight"], "output_norm.weight": state["norm.weight"]}
    for index in range(model.shape.layers):
        ours, theirs = f"blocks.{index}", f"blk.{index}"
        query, key, value = np.split(state[f"{ours}.qkv.weight"], 3)
        gate, up = np.split(state[f"{ours}.gate_up.weight"], 2)
        named |= {
            f"{theirs}.attn_norm.weight": state[f"{ours}.attention_norm.weight"],
            f"{theirs}.attn_q.weight": neighbours(query, heads),
            f"{theirs}.attn_k.weight": neighbours(key, heads),
            f"{theirs}.attn_v.weight": value,
            f"{theirs}.attn_output.weight": state[f"{ours}.output.weight"],
            f"{theirs}.ffn_norm.weight": state[f"{ours}.feed_norm.weight"],
            f"{theirs}.ffn_gate.weight": gate,
            f"{theirs}.ffn_up.weight": up,
            f"{theirs}.ffn_down.weight": state[f"{ours}.down.weight"],
        }
    return named


def _add_network(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocabulary)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    kinds = dict.fromkeys(CONTROL_TOKENS, gguf.TokenType.CONTROL)
    kinds |= dict.fromkeys(MARKUP_TOKENS, gguf.TokenType.USER_DEFINED)
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])]
    ids = {token: tokenizers.token_id(tokenizer, token) for token in CONTROL_TOKENS}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges(tokenizers.merges_of(tokenizer))
    writer.add_bos_token_id(ids[END_OF_TEXT])
    writer.add_eos_token_id(ids[END])
    writer.add_eot_token_id(ids[END])
    writer.add_pad_token_id(ids[END_OF_TEXT])
    writer.add_uint32("tokenizer.ggml.fim_pre_token_id", ids[FIM_PREFIX])
    writer.add_uint32("tokenizer.ggml.fim_suf_token_id", ids[FIM_SUFFIX])
    writer.add_uint32("tokenizer.ggml.fim_mid_token_id", ids[FIM_MIDDLE])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE.read_text())


def write(model: Cria, tokenizer: Tokenizer, path: Path, quantisation: str = "Q8_0") -> None:
    """Write a GGUF whose matrices are of a type of ``TYPES`` and whose norms stay in 32 bits.

    With Q4_0 the embedding, which is also the output, is Q8_0.
    """
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("cria")
    writer.add_description("A small model that ships with Puna")
    writer.add_license("mit")
    writer.add_languages(["en", "zh"])
    writer.add_file_type(TYPES[quantisation])
    _add_network(writer, model.shape)
    _add_tokenizer(writer, tokenizer)
    kind = gguf.GGMLQuantizationType[quantisation]
    for name, weight in tensors(model).items():
        if weight.ndim == 1:
            writer.add_tensor(name, weight)
        else:
            as_type = gguf.GGMLQuantizationType.Q8_0 if name == EMBEDDING and quantisation == "Q4_0" else kind
            writer.add_tensor(name, gguf.quants.quantize(weight, as_type), raw_dtype=as_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Write a checkpoint as GGUF."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="holds checkpoint.pt and tokenizer.json")
    parser.add_argument("output", type=Path)
    parser.add_argument("--type", choices=TYPES, default="Q8_0")
    arguments = parser.parse_args()
    model = load_model(arguments.folder / "checkpoint.pt")
    tokenizer = tokenizers.load(arguments.folder / "tokenizer.json")
    write(model, tokenizer, arguments.output, arguments.type)
    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters()), **model.shape.as_dict()}))


if __name__ == "__main__":
    main()
