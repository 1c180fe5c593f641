"""What the settings say about registries: which ones models may come from, and whose addresses may be private."""

from collections.abc import Iterable, Mapping

from yarl import URL

from puna.models.registry.errors import PrivateAddressError, RegistryNotAllowedError
from puna.net.addresses import is_public
from puna.settings import Settings


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
        if not (self._allow_private or host.lower() in self._named or is_public(address)):
            raise PrivateAddressError(host)


def host_of(url: URL) -> str:
    """Return the host of an address, with the port if it is not the scheme's own: what a model's name calls it."""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    return host if url.is_default_port() else f"{host}:{url.port}"
