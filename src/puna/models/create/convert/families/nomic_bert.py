"""Nomic-BERT: an encoder with rotary positions and gated layers, without biases."""

import re

import gguf

from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.families.bert import Bert

_TRANSFORMERS_NAMES = {
    "self_attn.o_proj": "attn.out_proj",
    "post_attention_layernorm": "norm1",
    "post_mlp_layernorm": "norm2",
    "mlp.up_proj": "mlp.fc11",
    "mlp.gate_proj": "mlp.fc12",
    "mlp.down_proj": "mlp.fc2",
}
_PART = re.compile(r"(?:^|\.)layers\.(\d{1,4})\.self_attn\.([qkv])_proj\.weight$")
_TRAINED_CONTEXT = 2048


class NomicBert(Bert):
    """Published checkpoints have the names of their own code; those of transformers are brought to them."""

    architectures = ("NomicBertModel",)
    arch = gguf.MODEL_ARCH.NOMIC_BERT
    default_theta = 1_000.0

    def write_parameters(self, writer: gguf.GGUFWriter) -> None:
        self._check()
        writer.add_block_count(self.blocks)
        # The published models claim 8,192 positions, which they reach only by stretching.
        context = self.config.whole("max_position_embeddings", "n_positions")
        writer.add_context_length(min(context, self.config.whole("max_trained_positions", default=_TRAINED_CONTEXT)))
        writer.add_embedding_length(self.width)
        writer.add_feed_forward_length(self.config.whole("intermediate_size", "n_inner"))
        writer.add_head_count(self.heads)
        self.rope.write(writer)
        self.write_encoder(writer)

    def rename(self, name: str) -> str | None:
        found = super().rename(name.removeprefix("nomic_bert."))
        if found is None or not found.startswith("layers."):
            return found
        for theirs, known in _TRANSFORMERS_NAMES.items():
            found = found.replace(theirs, known)
        return "encoder." + found

    def gguf_name(self, name: str) -> str | None:
        # The tensor map of this architecture has only the fused matrix, the engine takes its parts as well.
        part = _PART.search(name)
        return f"blk.{int(part[1])}.attn_{part[2]}.weight" if part else super().gguf_name(name)

    def _check(self) -> None:
        """Settings of the published code that llama.cpp has no words for."""
        wanted: dict[str, tuple[object, ...]] = {
            "moe_every_n_layers": (None, 0),
            "prenorm": (None, False),
            "rotary_emb_fraction": (None, 1.0),
            "rotary_emb_interleaved": (None, False),
            "activation_function": (None, "swiglu"),
            "hidden_act": (None, "silu"),
            "qkv_proj_bias": (None, False),
        }
        for name, allowed in wanted.items():
            if self.config.data.get(name) not in allowed:
                raise ConvertError(f"config.json: {name} {self.config.data.get(name)!r:.80} is not supported")
