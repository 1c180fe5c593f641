"""Measures Puna beside the engine that it stands on, and beside other servers; ``python -m bench --help``."""
