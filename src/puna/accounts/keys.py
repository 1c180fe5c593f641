"""Keys: their form, their hashes, and the look-up that tells nobody whether a key exists.

A key is ``puna_<id>_<secret>``. The id finds its row; of the secret, 256 random bits, only the SHA-256 is kept: no
guessing is shortened by a slower hash, and a slow one would let anybody keep the server busy.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from puna.accounts.grant import Grant
from puna.errors import BadRequestError

_PREFIX = "puna"
_ID_BYTES, _SECRET_BYTES = 8, 32
_TEXT = re.compile(rf"{_PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_([A-Za-z0-9_-]{{43}})")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._@+-]{0,63}")
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is kept. Times are in seconds since the epoch; a revoked one stays, so that it is known as such."""

    name: str
    id: str
    hash: bytes
    grant: Grant
    created: float
    expires: float | None = None
    revoked: float | None = None
    owner: str = ""
    """Whose is what is stored with it: its name, unless a key of that name has been revoked before it was made."""

    def __post_init__(self) -> None:
        if not self.owner:
            object.__setattr__(self, "owner", self.name)

    @property
    def is_valid(self) -> bool:
        """Return whether the key lets anybody in now."""
        return self.revoked is None and (self.expires is None or time.time() < self.expires)


def new_secret() -> tuple[str, str, bytes]:
    """Return a new key as text, its id, and the hash to keep."""
    identifier, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    return f"{_PREFIX}_{identifier}_{secret}", identifier, _hash(secret)


def is_key(text: str) -> bool:
    """Return whether a text has the form of a key; one of Ollama's cloud has not."""
    return _TEXT.fullmatch(text) is not None


def checked_name(name: str) -> str:
    """Return the name for a key; raise ``BadRequestError`` for one that is none."""
    if not _NAME.fullmatch(name):
        raise BadRequestError("a key's name is a letter and up to 63 letters, digits and . _ @ + -")
    return name


def find(keys: Mapping[str, Key], text: str) -> Key | None:
    """Return the valid key of ``keys`` (by id) that ``text`` is, or ``None``.

    Whatever is wrong with it, one hash is made and one compared, so that the time tells nothing.
    """
    match = _TEXT.fullmatch(text)
    identifier, secret = match.groups() if match else ("", text[:100])
    key = keys.get(identifier)
    is_right = hmac.compare_digest(_hash(secret), key.hash if key else _NOBODY)
    return key if key is not None and is_right and key.is_valid else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
