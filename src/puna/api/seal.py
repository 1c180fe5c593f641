"""Opaque words that go out with an answer and come back with the next request: signed, so that they can be trusted.

A seal signs a text that goes out beside it, or holds the text itself. It hides nothing from whoever looks closely.
"""

import base64
import binascii
import contextlib
import hmac
import secrets
import zlib
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from puna.errors import BadRequestError
from puna.secret_file import kept_secret

_FILE = "signing.key"
_MARK = b"puna\x01"
_ID_BYTES, _KEY_BYTES, _MAC_BYTES = 8, 32, 32
_MOST_BYTES = 16 << 20
"""The longest text that a seal may hold: a small one could unfold to any length."""


class AlteredError(BadRequestError):
    """A seal of this server's does not fit its text."""


class Seal:
    """Signs with a key of its own, which is made when it is first needed and kept in a file beside the models."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def sign(self, text: str) -> str:
        """Return the signature of a text that is passed on beside it."""
        return self._made(b"", text.encode())

    def hold(self, text: str) -> str:
        """Return a seal that has the text in it."""
        return self._made(zlib.compress(text.encode()), text.encode())

    def open(self, seal: str, text: str, where: str) -> str:
        """Return the text that ``seal`` stands for: what it holds, else ``text``, which came with it.

        A seal of somebody else's says nothing of ``text``. Raises ``AlteredError``, which names ``where``, if it is of
        this server's and does not fit.
        """
        data = _decoded(seal)
        head = _MARK + self._id
        if not data.startswith(head) or len(data) < len(head) + _MAC_BYTES:
            return text
        signed, held = data[len(head) : len(head) + _MAC_BYTES], data[len(head) + _MAC_BYTES :]
        content = _unfolded(held) if held else text.encode()
        if content is None or not hmac.compare_digest(signed, self._mac(content)):
            raise AlteredError(f"{where} does not fit its text, which must come back as it was sent")
        return content.decode()

    def _made(self, held: bytes, content: bytes) -> str:
        return base64.b64encode(_MARK + self._id + self._mac(content) + held).decode()

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")

    @cached_property
    def _id(self) -> bytes:
        return sha256(self._key + b"id").digest()[:_ID_BYTES]

    @cached_property
    def _key(self) -> bytes:
        """Return the key in the file, a new one without; where nothing can be kept it lasts as long as the server."""
        with contextlib.suppress(OSError):
            return _kept(self._home / _FILE)
        return secrets.token_bytes(_KEY_BYTES)


def _kept(path: Path) -> bytes:
    key = kept_secret(path, _KEY_BYTES)
    if len(key) == _KEY_BYTES:
        return key
    path.unlink()
    return kept_secret(path, _KEY_BYTES)


def _decoded(seal: str) -> bytes:
    try:
        return base64.b64decode(seal, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _unfolded(data: bytes) -> bytes | None:
    try:
        unfolder = zlib.decompressobj()
        text = unfolder.decompress(data, _MOST_BYTES)
    except zlib.error:
        return None
    return text if unfolder.eof and not unfolder.unused_data else None
