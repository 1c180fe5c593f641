"""Modelfiles: the text that describes how a model is made, read (``parse``) and written (``write``) as Ollama does."""
