"""User names and passwords for registries: from the settings, and those that ``docker login`` stored as plain text."""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

from puna.config.home import expanded
from puna.config.values import Credentials

_DOCKER_HUB = {"docker.io", "registry-1.docker.io", "index.docker.io"}


class CredentialStore:
    """Looks up the credentials of a registry by its host (with the port, where it has one)."""

    def __init__(self, configured: Mapping[str, Credentials] | None = None, docker_config: Path | None = None) -> None:
        self._configured = {host.lower(): value for host, value in (configured or {}).items()}
        directory = expanded(Path(os.environ.get("DOCKER_CONFIG") or "~/.docker"))
        self._docker_config = docker_config or directory / "config.json"

    def find(self, host: str) -> Credentials | None:
        """Return the credentials of ``host``, those of the settings first."""
        return self._configured.get(host.lower()) or self._from_docker(host.lower())

    def _from_docker(self, host: str) -> Credentials | None:
        try:
            entries = json.loads(self._docker_config.read_bytes())["auths"]
            for address, entry in entries.items():
                if _same_registry(address, host) and (text := entry.get("auth")):
                    user, colon, password = base64.b64decode(text).decode().partition(":")
                    return Credentials(user, password) if colon else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # no such file, or one that only Docker understands
        return None


def _same_registry(address: str, host: str) -> bool:
    named = address.partition("://")[2] or address
    named = named.partition("/")[0].lower()
    return named == host or (named in _DOCKER_HUB and host in _DOCKER_HUB)


def basic(credentials: Credentials) -> str:
    """Return the value of an ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
