"""Making models: from another model, from GGUF files; later from what must be converted first."""
