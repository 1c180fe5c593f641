"""The registry protocol, read-only: other machines pull models from this one (``PUNA_SHARE``)."""
