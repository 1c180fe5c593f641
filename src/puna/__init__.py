"""Puna runs large language models on your own machine behind the Ollama REST API."""

__version__ = "0.1.0"
