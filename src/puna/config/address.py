"""Where the server listens, and the text that means it (``OLLAMA_HOST``)."""

import ipaddress
import os
import re
from dataclasses import dataclass

from puna.errors import BadRequestError

DEFAULT_PORT = 11434
_PORTS = {"http": 80, "https": 443}
_LAST_PORT, _PORT_DIGITS = 65535, 5
_UNIX, _LONGEST_SOCKET = "unix:", 100
"""How the address of a unix socket begins, and how long a path systems allow for sure."""
_PREFIX = re.compile(r"[\w/.~%-]*", re.ASCII)
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens: ``host`` is an IP address or a host name, ``port`` 0 takes a free one.

    ``scheme`` is how clients reach it. That of a server without ``PUNA_TLS_CERT`` is HTTP, whatever it says: TLS is a
    proxy's before it then. ``path`` is that of a unix socket, which stands in for host and port. ``prefix`` is what
    stands before the paths of all routes where a proxy has them elsewhere: for clients, as in Ollama.
    """

    host: str
    port: int
    scheme: str = "http"
    path: str = ""
    prefix: str = ""

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach the address."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """Return the base URL for clients on this machine; for a unix socket it says where that is."""
        if self.path:
            return f"{_UNIX}{self.path}"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}{self.prefix}"


def parse_address(text: str) -> Address:
    """Return the address that an ``OLLAMA_HOST`` value means (scheme, host and port are each optional).

    ``unix:/path`` is a unix socket. Raises ``BadRequestError``, whose text holds nothing that may be a password.
    """
    if text.strip().startswith(_UNIX):
        return _unix_address(text.strip().removeprefix(_UNIX))
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "", text.strip()
    if scheme.lower() not in ("", *_PORTS):
        raise BadRequestError("the address must begin with http:// or https://, or with the host")
    if "@" in rest:
        raise BadRequestError("a user and a password do not belong into an address; OLLAMA_BASIC_AUTH holds them")
    where, _, path = rest.partition("/")
    host, port = _split_port(where)
    default = _PORTS.get(scheme.lower(), DEFAULT_PORT)
    return Address(
        _checked_host(host),
        default if port is None else _checked_port(port),
        scheme.lower() or "http",
        prefix=_checked_prefix(path),
    )


def _unix_address(path: str) -> Address:
    clean = f"/{path.lstrip('/')}" if path.startswith("/") else ""
    if not clean or len(os.fsencode(clean)) > _LONGEST_SOCKET:
        raise BadRequestError(f"a unix socket is unix:/path, of at most {_LONGEST_SOCKET} bytes")
    return Address("localhost", 0, path=clean)


def _split_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or rest[:1] not in ("", ":"):
            raise BadRequestError(f"{text!r} is not an address: an IPv6 address in brackets, then :port")
        return host, rest[1:] if rest else None
    if text.count(":") > 1:  # a bare IPv6 address
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _checked_prefix(path: str) -> str:
    """Return what stands before the paths of routes, without a slash at its end."""
    if not _PREFIX.fullmatch(path):
        raise BadRequestError("the path in an address is of letters, digits and / . _ ~ % -")
    parts = [part for part in path.split("/") if part]
    return "".join(f"/{part}" for part in parts)


def _checked_host(host: str) -> str:
    """Return a host that can be reached, 127.0.0.1 for none."""
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise BadRequestError(f"{host!r} is not an IPv6 address") from None
    if host and not _HOST.fullmatch(host):
        raise BadRequestError(f"{host!r} is not the name or the address of a host")
    return host or "127.0.0.1"


def _checked_port(port: str) -> int:
    if not (port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS and int(port) <= _LAST_PORT):
        raise BadRequestError(f"{port!r} is not a port between 0 and {_LAST_PORT}")
    return int(port)
