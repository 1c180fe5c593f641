"""vLLM as an engine: for checkpoints in safetensors that are kept as they are."""
