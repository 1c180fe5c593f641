"""Texts that clients keep for us without being able to read or change them: thoughts and summaries of conversations.

A sealed text is encrypted and authenticated (AES-256-GCM) with a key of this installation, kept in a file that only
its user can read. What another installation has sealed cannot be opened, nor what was sealed for another purpose.
"""

import base64
import binascii
import logging
import secrets
from pathlib import Path

from puna.secret_file import kept_secret

_VERSION = b"\x01"
_KEY_BYTES, _NONCE_BYTES = 32, 12
_log = logging.getLogger(__name__)


def sealed(key: bytes, data: bytes, purpose: str) -> bytes:
    """Return ``data`` encrypted with a key of 32 bytes; it opens for the same ``purpose`` only."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # most servers never seal anything

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, data, purpose.encode())


def opened(key: bytes, data: bytes, purpose: str) -> bytes | None:
    """Return what was sealed with the same key for ``purpose``; ``None`` for anything else."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if data[:1] != _VERSION or len(data) <= 1 + _NONCE_BYTES:
        return None
    nonce, body = data[1 : 1 + _NONCE_BYTES], data[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, purpose.encode())
    except InvalidTag:
        return None


class Cipher:
    """Seals and opens texts with the key in a file, which is made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = b""

    def close(self, text: str, purpose: str) -> str:
        """Return ``text`` sealed, in the letters of base64url."""
        return base64.urlsafe_b64encode(self.seal(text.encode(), purpose)).decode()

    def seal(self, data: bytes, purpose: str) -> bytes:
        """Return ``data`` sealed."""
        return sealed(self._secret(), data, purpose)

    def unseal(self, data: bytes, purpose: str) -> bytes | None:
        """Return what was sealed here for ``purpose``; ``None`` for anything else."""
        return opened(self._secret(), data, purpose)

    def open(self, letters: str, purpose: str) -> str | None:
        """Return the text that was sealed here for ``purpose``; ``None`` for anything else."""
        try:
            data = base64.b64decode(letters.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        text = self.unseal(data, purpose)
        return None if text is None else text.decode()

    def _secret(self) -> bytes:
        if not self._key:
            self._key = self._kept() or secrets.token_bytes(_KEY_BYTES)
        return self._key

    def _kept(self) -> bytes:
        """Return the key of the file; b"" if there is none and none can be kept."""
        try:
            key = kept_secret(self._path, _KEY_BYTES)
        except OSError as error:
            _log.warning("%s: %s; what is sealed can be opened until this server ends", self._path, error.strerror)
            return b""
        return key if len(key) == _KEY_BYTES else b""
