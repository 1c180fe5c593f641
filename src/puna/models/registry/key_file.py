"""An Ed25519 key pair in OpenSSH's format. Loads ``cryptography``, which nothing else does."""

import contextlib
import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from puna.models.registry.errors import IdentityError


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """Return the key at ``path``, made with its public half beside it if there is none; raise ``IdentityError``."""
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        return _create(path)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityError(f"the key {path} cannot be used: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"the key {path} is not an Ed25519 key")
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public key as an ``authorized_keys`` line."""
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _create(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process was faster, and its key counts
            _write_new(path, text, 0o600)
            _write_new(path.with_suffix(".pub"), f"{public_text(key)}\n".encode(), 0o644)
            return key
    except OSError as error:
        raise IdentityError(f"the key {path} cannot be made: {error}") from error
    return load_or_create(path)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
