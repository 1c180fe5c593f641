"""Ollama's dialect: `/api/...`."""
