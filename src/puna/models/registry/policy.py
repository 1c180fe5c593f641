"""Which hosts a transfer may talk to.

A server that takes pulls from other machines must not become a way into the network that it stands in
(CVE-2026-5530): the addresses behind a name are checked when the connection is made, so that neither a redirect nor a
name that changes its address between two look-ups gets around it.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from urllib.request import getproxies, proxy_bypass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from puna.models.registry.errors import PrivateAddressError, RegistryNotAllowedError
from puna.settings import Settings

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AccessPolicy:
    """What the settings say about registries."""

    def __init__(
        self, allowed: Iterable[str] = (), mirrors: Mapping[str, URL] | None = None, allow_private: bool = False
    ) -> None:
        self._allowed = {host.lower() for host in allowed}
        self._mirrors = {host.lower(): url for host, url in (mirrors or {}).items()}
        self._allow_private = allow_private
        named = {URL(f"//{host}").host for host in self._allowed} | {url.host for url in self._mirrors.values()}
        self._named = {host for host in named if host}

    @classmethod
    def from_settings(cls, settings: Settings) -> "AccessPolicy":
        """Return the policy that the settings describe."""
        return cls(
            settings.allowed_registries,
            {host: URL(address) for host, address in settings.mirrors.items()},
            settings.allow_private_registries,
        )

    def check_registry(self, host: str) -> None:
        """Raise ``RegistryNotAllowedError`` if models may not come from ``host`` (with its port, where it has one)."""
        if self._allowed and host.lower() not in self._allowed:
            raise RegistryNotAllowedError(f"registry {host} is not among those that PUNA_ALLOWED_REGISTRIES names")

    def mirror(self, host: str) -> URL | None:
        """Return the base address of the mirror that stands in for a registry."""
        return self._mirrors.get(host.lower())

    def check_address(self, host: str, address: str) -> None:
        """Raise ``PrivateAddressError`` if ``address``, which ``host`` resolves to, is not on the internet."""
        if not (self._allow_private or host.lower() in self._named or _is_public(address)):
            raise PrivateAddressError(host)

    async def check_url(self, url: URL, resolver: AbstractResolver) -> None:
        """Check what the resolver of the connection will not see: a literal address, and a host behind a proxy."""
        host = url.host or ""
        if _is_literal(host):
            self.check_address(host, host)
        elif host in proxy_hosts() or uses_proxy(url):
            try:
                found = await resolver.resolve(host, url.port or 0, socket.AF_UNSPEC)
            except OSError:
                return  # only the proxy can resolve it
            for entry in found:
                self.check_address(host, entry["host"])


def host_of(url: URL) -> str:
    """Return the host of an address, with the port if it is not the scheme's own: what a model's name calls it."""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    return host if url.is_default_port() else f"{host}:{url.port}"


def uses_proxy(url: URL) -> bool:
    """Return whether the environment sends requests for ``url`` through a proxy."""
    return url.scheme in getproxies() and not proxy_bypass(url.host or "")


def proxy_hosts() -> set[str]:
    """Return the hosts of the environment's proxies."""
    return {host for proxy in getproxies().values() if (host := URL(proxy).host)}


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    return address.is_global and not address.is_multicast


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses those that lead into a private network. The environment's proxies are exempt."""

    def __init__(self, policy: AccessPolicy, resolver: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``; raise ``PrivateAddressError`` if one of them is private."""
        found = await self._resolver.resolve(host, port, family)
        if host not in proxy_hosts():
            for entry in found:
                self._policy.check_address(host, entry["host"])
        return found

    async def close(self) -> None:
        """Close the resolver behind it."""
        await self._resolver.close()
