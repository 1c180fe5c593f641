"""Where settings come from beside the environment: files in TOML, and their sections for single models."""
