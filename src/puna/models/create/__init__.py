"""Making models: from other models, from GGUF files, from checkpoints; converting and quantising."""
