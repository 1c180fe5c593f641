"""What a request presents to be let in: a user and password, or a key in one of the forms that clients send."""

import base64
import binascii
import hmac
from collections.abc import Iterator

from starlette.datastructures import Headers

from puna.config.values import Credentials

BASIC = 'Basic realm="Puna", charset="UTF-8"'
BEARER = 'Bearer realm="Puna"'
KEYS = f"{BASIC}, {BEARER}"
"""What ``WWW-Authenticate`` says to a request that is not let in, without and with keys."""
_API_KEY = "x-api-key"


class BasicAuth:
    """One user and password for all (HTTP Basic, RFC 7617), compared in constant time."""

    def __init__(self, credentials: Credentials) -> None:
        self._expected = f"{credentials.user}:{credentials.password}".encode()

    def is_presented(self, headers: Headers) -> bool:
        """Return whether a request presents these."""
        scheme, given = _authorization(headers)
        return scheme == "basic" and hmac.compare_digest(_decoded(given), self._expected)


def presented(headers: Headers) -> Iterator[str]:
    """Yield what may be a key: of ``Authorization: Bearer``, of Basic the password (or the user, where there is none),
    and of ``x-api-key``."""
    scheme, given = _authorization(headers)
    if scheme == "bearer":
        yield given
    elif scheme == "basic":
        user, _, password = _decoded(given).decode("utf-8", "replace").partition(":")
        yield password or user
    if _API_KEY in headers:
        yield headers[_API_KEY].strip()


def _authorization(headers: Headers) -> tuple[str, str]:
    """Return the scheme and the credentials of ``Authorization``, "" where it is not there."""
    scheme, _, given = headers.get("authorization", "").strip().partition(" ")
    return scheme.lower(), given.strip()


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
