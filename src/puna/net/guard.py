"""Connections whose addresses are checked when they are made.

A server that fetches what others name must not become a way into the network that it stands in (CVE-2026-5530). So
neither a redirect nor a name that changes its address between two look-ups gets around the check.
"""

import errno
import socket
from typing import Protocol
from urllib.request import getproxies, proxy_bypass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from puna.net.addresses import is_literal


class AddressRule(Protocol):
    """Says which addresses may be reached."""

    def check_address(self, host: str, port: int, address: str) -> None:
        """Raise a ``PunaError`` if ``port`` of ``address``, which ``host`` resolves to, may not be reached."""


class Resolver(ThreadedResolver):
    """The system's way to resolve names."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``; raise ``OSError`` also for what cannot be a name at all."""
        try:
            return await super().resolve(host, port, family)
        except UnicodeError as error:  # two dots in a row, or more than 63 letters between them
            raise OSError(errno.EINVAL, "this is no name of a host") from error


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses those that lead into a private network. The environment's proxies are exempt."""

    def __init__(self, rule: AddressRule, resolver: AbstractResolver | None = None) -> None:
        self._rule = rule
        self._resolver = resolver or Resolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``; raise what the rule raises if one of them may not be reached."""
        found = await self._resolver.resolve(host, port, family)
        if (host, port) not in _proxies():
            for entry in found:
                self._rule.check_address(host, port, entry["host"])
        return found

    async def close(self) -> None:
        """Close the resolver behind it."""
        await self._resolver.close()


async def check_url(url: URL, rule: AddressRule, resolver: AbstractResolver) -> None:
    """Check what the resolver of the connection will not see: a literal address, and a host behind a proxy.

    ``resolver`` is one that refuses nothing.
    """
    host, port = url.host or "", url.port or 0
    if is_literal(host):
        rule.check_address(host, port, host)
    elif _is_numeric(host) or (host, port) in _proxies() or _uses_proxy(url):
        try:
            found = await resolver.resolve(host, port, socket.AF_UNSPEC)
        except OSError:
            return  # only the proxy can resolve it
        for entry in found:
            rule.check_address(host, port, entry["host"])


def _is_numeric(host: str) -> bool:
    """Return whether the system may take ``host`` for an address in an old spelling, such as 127.1."""
    return host.replace(".", "").isdigit()


def proxy_of(url: URL) -> URL | None:
    """Return the environment's proxy for ``url``.

    A session that looks for it itself (``trust_env``) reads ``~/.netrc`` as well, and sends its logins to whatever host
    a stranger has named.
    """
    if not _uses_proxy(url):
        return None
    proxy = URL(getproxies()[url.scheme])
    return None if proxy.scheme == "https" else proxy  # which aiohttp does not speak


def _uses_proxy(url: URL) -> bool:
    """Return whether the environment sends requests for ``url`` through a proxy."""
    return url.scheme in getproxies() and not proxy_bypass(url.host or "")


def _proxies() -> set[tuple[str, int]]:
    """Return host and port of the environment's proxies."""
    urls = (URL(proxy) for proxy in getproxies().values())
    return {(url.host, url.port) for url in urls if url.host and url.port}
