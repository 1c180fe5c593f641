"""Processes that run llama.cpp: one per loaded model, reached over a unix socket."""
