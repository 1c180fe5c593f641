"""Qwen 3, dense."""

import gguf

from puna.models.create.convert.families.qwen2 import Qwen2


class Qwen3(Qwen2):
    """Qwen 2 without biases and with norms on every head's query and key."""

    architectures = ("Qwen3ForCausalLM", "Qwen3Model")
    arch = gguf.MODEL_ARCH.QWEN3
