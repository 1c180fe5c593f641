"""The key pair by which Ollama's registry knows a machine: ``~/.ollama/id_ed25519``."""

import base64
from pathlib import Path

from puna.config.home import expanded
from puna.models.registry.errors import IdentityError

DEFAULT_PATH = Path("~/.ollama/id_ed25519")


class Identity:
    """Signs with the key at ``path``, which is made when it is first needed; raises ``IdentityError``."""

    def __init__(self, path: Path = DEFAULT_PATH) -> None:
        self.path = expanded(path)

    def sign(self, data: bytes) -> str:
        """Return ``<public key>:<signature>``, both in base64, as ``auth/auth.go`` of Ollama builds it."""
        if self.path.parts[:1] and self.path.parts[0].startswith("~"):
            raise IdentityError(f"there is no home directory for the key {self.path} (HOME names it)")
        # Here, because it is a tenth of the idle server's memory and few registries ask for a signature.
        from puna.models.registry.key_file import load_or_create, public_text

        key = load_or_create(self.path)
        return f"{public_text(key).split()[1]}:{base64.b64encode(key.sign(data)).decode()}"
