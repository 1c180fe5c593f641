"""Who asks: one identity for every request, from the connection, from proxies that are trusted, and from keys."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from puna.accounts.grant import ADMIN
from puna.accounts.keys import Key

IDENTITY = "puna.identity"
"""The entry of a scope that holds its ``Identity``."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: the IP address of the client ("" over a unix socket), and the key that it was let in with, if any.

    ``remote`` tells whether the request comes from another machine, or may: what is not known counts as remote.
    ``login`` tells that it has shown the user and password of ``OLLAMA_BASIC_AUTH``. Without a key all is allowed,
    but to ``stranger``, who has shown nothing where something is asked for and only sees what is open to everybody.
    """

    address: str
    remote: bool
    key: Key | None = None
    login: bool = False
    stranger: bool = False

    @property
    def is_proven(self) -> bool:
        """Return whether the request has shown that it may come in, which nobody must where there are no keys."""
        return self.login or self.key is not None

    @property
    def is_admin(self) -> bool:
        """Return whether all is allowed."""
        return not self.stranger and (self.key is None or self.key.grant.may(ADMIN))

    @property
    def client(self) -> str:
        """Return what has its turns in the queue: the key, else the address."""
        return self.key.name if self.key else self.address


def owner_of(connection: HTTPConnection) -> str:
    """Return whose is what a request stores: the key's that it was let in with, "" where there are no keys."""
    identity: Identity = connection.scope[IDENTITY]
    return identity.key.owner if identity.key else ""


def identify(scope: Scope, trusted: Sequence[IPNetwork]) -> Identity:
    """Return who makes the request of ``scope``, before any key is looked at.

    The peer of the connection is believed, and of ``X-Forwarded-For`` what proxies in ``trusted`` have added: from the
    right, the first address that is not trusted is the client's. Without such a proxy the header says nothing about
    the client, except that a proxy may be between: then it counts as remote.
    """
    peer = scope.get("client")
    headers = Headers(scope=scope)
    forwarded = any(name in headers for name in _FORWARDED)
    if peer is None:
        return Identity("", remote=forwarded)
    address = _peer(peer[0])
    if address is None:
        return Identity(peer[0], remote=True)
    client = _behind(address, headers.getlist("x-forwarded-for"), trusted)
    return Identity(str(client), remote=not client.is_loopback or (forwarded and client == address))


def _behind(peer: IPAddress, forwarded: Sequence[str], trusted: Sequence[IPNetwork]) -> IPAddress:
    client = peer
    hops = [hop for line in forwarded for hop in line.split(",")]
    while hops and any(client in network for network in trusted):
        hop = _parse(hops.pop().strip())
        if hop is None:  # who wrote that is as far as can be seen
            break
        client = hop
    return client


def _parse(text: str) -> IPAddress | None:
    """Return an address, of which proxies also write ``1.2.3.4:5`` and ``[::1]:5``."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


_peer = lru_cache(maxsize=1024)(_parse)
"""The same for the address of a connection, of which many requests come."""
