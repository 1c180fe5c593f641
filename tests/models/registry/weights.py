"""Files that pass for models, and are read for their bytes alone."""

import random
import struct


def weights(data: bytes) -> bytes:
    """Return a GGUF file of the size of ``data``, or a little more, that ends as ``data`` does."""
    kind = _text("general.architecture") + struct.pack("<I", 8) + _text("tests")
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + kind
    return header + data[len(header) :] if len(data) > 2 * len(header) else header + data


def random_weights(seed: int, size: int) -> bytes:
    """Return ``size`` bytes that pass for a model."""
    return weights(random.Random(seed).randbytes(size))


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()
