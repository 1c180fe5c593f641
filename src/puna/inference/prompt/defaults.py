"""A template for models that bring none: chosen by the turn markers that their vocabulary has."""

from functools import lru_cache
from pathlib import Path

from puna.models.gguf import GGUFArray, GGUFFile, read_gguf

_CHATML = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
_LLAMA_3 = (
    "{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n{{ .Content }}<|eot_id|>{{ end }}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
_GEMMA = (
    '{{- range .Messages }}<start_of_turn>{{ if eq .Role "assistant" }}model{{ else }}user{{ end }}\n'
    "{{ .Content }}<end_of_turn>\n{{ end }}<start_of_turn>model\n"
)
_PLAIN = (
    "{{- if eq (len .Messages) 1 }}{{ range .Messages }}{{ .Content }}{{ end }}{{ else }}"
    "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n\n{{ end }}assistant: {{ end }}"
)
"""A single text is just continued, as Ollama does; more of them keep who said what."""
_BY_MARKER = {"<|im_start|>": _CHATML, "<|start_header_id|>": _LLAMA_3, "<start_of_turn>": _GEMMA}


def default_template(gguf: GGUFFile) -> str:
    """Return the Go template for a model without one: its family's turns, or its text just continued."""
    return _default_template(gguf.path)


def plain_template() -> str:
    """Return the Go template for models of which nothing is known."""
    return _PLAIN


@lru_cache(maxsize=32)
def _default_template(path: Path) -> str:
    tokens = read_gguf(path).metadata.get("tokenizer.ggml.tokens", ())
    vocabulary = set(tokens.load() if isinstance(tokens, GGUFArray) else tokens if isinstance(tokens, tuple) else ())
    return next((template for marker, template in _BY_MARKER.items() if marker in vocabulary), _PLAIN)
