"""What a request must present to be let in."""

import base64
import binascii
import hmac
from typing import Protocol

from starlette.datastructures import Headers

from puna.settings import Credentials


class Keys(Protocol):
    """A way to tell from a request's headers whether it may come in."""

    challenge: str
    """What ``WWW-Authenticate`` says to a request that may not."""

    def owner(self, headers: Headers) -> str | None:
        """Return whose key a request presents, "" for one that all share, and ``None`` for none that is right."""


class BasicAuth:
    """One user and password for all (HTTP Basic, RFC 7617), compared in constant time."""

    challenge = 'Basic realm="Puna", charset="UTF-8"'

    def __init__(self, credentials: Credentials) -> None:
        self._expected = f"{credentials.user}:{credentials.password}".encode()

    def owner(self, headers: Headers) -> str | None:
        """Return "" if the credentials are right, which all share, else ``None``."""
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
        return "" if hmac.compare_digest(given, self._expected) else None
