"""Compiles llama-server for this machine, checks it, and measures it beside the portable engine."""
