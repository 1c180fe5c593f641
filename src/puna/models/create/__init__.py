"""Making models: from another model, from GGUF files, from what must be converted or quantised first."""
