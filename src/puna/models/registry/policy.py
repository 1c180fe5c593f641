"""What the settings say about registries: which ones models may come from, and whose addresses may be private."""

from collections.abc import Iterable, Iterator, Mapping

from yarl import URL

from puna.models.registry.errors import PrivateAddressError, RegistryNotAllowedError
from puna.net.addresses import is_public as _is_public
from puna.settings import Settings


class AccessPolicy:
    """What the settings say about registries."""

    def __init__(
        self, allowed: Iterable[str] = (), mirrors: Mapping[str, URL] | None = None, allow_private: bool = False
    ) -> None:
        self._allowed = {host.lower() for host in allowed}
        self._mirrors = {host.lower(): url for host, url in (mirrors or {}).items()}
        self._allow_private = allow_private
        self._named = {place for host in self._allowed for place in _places(host)}
        self._named |= {(url.host, url.port) for url in self._mirrors.values()}

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

    def check_address(self, host: str, port: int, address: str) -> None:
        """Raise ``PrivateAddressError`` if ``address``, which ``host`` resolves to, is not on the internet.

        A host that the settings name may be private on the port that they name, and on no other.
        """
        if not (self._allow_private or (host.lower(), port) in self._named or _is_public(address)):
            raise PrivateAddressError(f"{host}:{port}")


def _places(host: str) -> Iterator[tuple[str | None, int | None]]:
    """Yield the host and the ports that an allowed registry has: its own, else those of https and http."""
    for scheme in ("https", "http"):
        url = URL(f"{scheme}://{host}")
        yield url.host, url.port


def host_of(url: URL) -> str:
    """Return the host of an address, with the port if it is not the scheme's own: what a model's name calls it."""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    return host if url.is_default_port() else f"{host}:{url.port}"
