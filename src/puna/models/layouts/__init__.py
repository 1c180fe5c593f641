"""Ollama's layouts of models made llama.cpp's: other names of keys and tensors, a projector in the model's own file."""
