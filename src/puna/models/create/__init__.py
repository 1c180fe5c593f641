"""Making models: reading checkpoints, converting them to GGUF, quantising."""
