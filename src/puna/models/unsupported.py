"""What nothing here can run, told from a header: the words for it, with what to do instead."""

from puna.models.gguf import GGUFFile
from puna.models.gguf_types import DROPPED_TYPES

_INSTEAD = {
    "mllama": "no version of llama.cpp runs Llama 3.2 Vision; gemma3, qwen2.5vl and llama4 see pictures and run here",
}
_NEVER = {"t5": "llama.cpp's server runs no model that has an encoder and a decoder, as T5; use another model"}
"""What is said of architectures that the engine knows and cannot serve."""
GPT_OSS = frozenset(["gptoss", "gpt-oss"])
"""The families of which published files had tensors of a type that was dropped later."""


def unknown_architecture(name: str) -> str:
    """Return what is said of a model whose architecture the engine does not know."""
    instead = _INSTEAD.get(name, "a later one may: update Puna, or use another model")
    return f"the engine does not know the architecture '{name}' ({instead})"


def is_unknown_architecture(reason: str) -> bool:
    """Return whether a reason is one of ``unknown_architecture``."""
    return "does not know the architecture" in reason


def unsupported_architecture(name: str) -> str:
    """Return why no engine can run models of an architecture, "" if that is not known."""
    return unknown_architecture(name) if name in _INSTEAD else _NEVER.get(name, "")


def unsupported(gguf: GGUFFile) -> str:
    """Return why no engine can run a model with this header, "" if the header does not tell."""
    if reason := unsupported_architecture(gguf.architecture):
        return reason
    if any(tensor.type.id in DROPPED_TYPES for tensor in gguf.tensors):
        if gguf.architecture in GPT_OSS:
            return "its file has the number format that gpt-oss had before October 2025; pull the model again"
        return "its file has tensors in a number format that engines no longer read; pull or convert the model again"
    return ""
