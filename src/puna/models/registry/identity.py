"""The key pair by which Ollama's registry knows a machine: ``~/.ollama/id_ed25519``, in OpenSSH's format."""

import base64
import contextlib
import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from puna.errors import PunaError

DEFAULT_PATH = Path("~/.ollama/id_ed25519")


class IdentityError(PunaError):
    """The key file cannot be used."""


class Identity:
    """Signs with the key at ``path``, which is made when it is first needed."""

    def __init__(self, path: Path = DEFAULT_PATH) -> None:
        self.path = path.expanduser()

    def sign(self, data: bytes) -> str:
        """Return ``<public key>:<signature>``, both in base64, as ``auth/auth.go`` of Ollama builds it."""
        key = self._load()
        return f"{_public_text(key).split()[1]}:{base64.b64encode(key.sign(data)).decode()}"

    def public_key(self) -> str:
        """Return the public key as an ``authorized_keys`` line, which the user adds to an account."""
        return _public_text(self._load())

    def _load(self) -> Ed25519PrivateKey:
        try:
            key = serialization.load_ssh_private_key(self.path.read_bytes(), password=None)
        except FileNotFoundError:
            return self._create()
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IdentityError(f"the key {self.path} cannot be used: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise IdentityError(f"the key {self.path} is not an Ed25519 key")
        return key

    def _create(self) -> Ed25519PrivateKey:
        key = Ed25519PrivateKey.generate()
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # another process was faster, and its key counts
                _write_new(self.path, text, 0o600)
                _write_new(self.path.with_suffix(".pub"), f"{_public_text(key)}\n".encode(), 0o644)
                return key
        except OSError as error:
            raise IdentityError(f"the key {self.path} cannot be made: {error}") from error
        return self._load()


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)


def _public_text(key: Ed25519PrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
