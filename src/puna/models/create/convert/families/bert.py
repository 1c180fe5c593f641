"""BERT as an embedding model."""

from typing import ClassVar

import gguf

from puna.models.create.convert.family import Family

_LEFT_OUT = ("pooler.", "cls.", "embeddings.position_ids")


class Bert(Family):
    """An encoder: the heads of its training tasks are left out."""

    architectures: ClassVar[tuple[str, ...]] = ("BertModel", "BertForMaskedLM", "BertForPreTraining")
    arch = gguf.MODEL_ARCH.BERT

    def write_parameters(self, writer: gguf.GGUFWriter) -> None:
        self.write_common(writer)
        self.write_encoder(writer)

    def write_encoder(self, writer: gguf.GGUFWriter) -> None:
        """Write the keys that encoders share."""
        writer.add_layer_norm_eps(self.config.number("layer_norm_eps", "layer_norm_epsilon", default=1e-12))
        writer.add_causal_attention(False)
        writer.add_token_type_count(self.config.whole("type_vocab_size", default=2))
        self.write_pooling(writer)

    def rename(self, name: str) -> str | None:
        name = name.removeprefix("bert.")
        if name.startswith(_LEFT_OUT):
            return None
        # The oldest checkpoints call the parts of a norm by other names.
        return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
