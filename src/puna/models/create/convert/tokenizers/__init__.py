"""Tokenizers of checkpoints, read into the form that GGUF carries."""
