"""Puna runs large language models on your own machine behind the Ollama REST API."""

__version__ = "0.1.0"

OLLAMA_VERSION = "0.33.0"
"""The version of Ollama's API and command line that this is; clients compare it with what they need."""
