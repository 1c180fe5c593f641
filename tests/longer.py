"""The built-in model with a longer context than it was made for, in which it makes no sense of what it reads."""

import struct

from puna import builtin
from puna.models.library import Library

CONTEXT = 1 << 16
_KEY = b"llama.context_length" + struct.pack("<I", 4)
"""A key of a GGUF header, and the type of its value, a uint32 that follows."""


def long_weights() -> bytes:
    """Return its GGUF file with a context of ``CONTEXT`` tokens."""
    data = Library(builtin.STORE).get(builtin.CRIA).path.read_bytes()
    at = data.index(_KEY) + len(_KEY)
    return data[:at] + struct.pack("<I", CONTEXT) + data[at + 4 :]
