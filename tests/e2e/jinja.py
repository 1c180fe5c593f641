"""The built-in model with another Jinja template inside its file."""

import struct

from puna import builtin
from puna.models.library import Library


def with_jinja(template: str) -> bytes:
    """Return the file with this template, padded so that the weights stay aligned."""
    data = Library(builtin.STORE).get(builtin.CRIA).path.read_bytes()
    key = b"tokenizer.chat_template" + struct.pack("<I", 8)
    at = data.index(key) + len(key)
    (size,) = struct.unpack_from("<Q", data, at)
    text = template.encode()
    text += b"{#" + b"x" * ((size - len(text) - 4) % 32) + b"#}"
    return data[:at] + struct.pack("<Q", len(text)) + text + data[at + 8 + size :]
