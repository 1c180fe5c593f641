"""What can go wrong between this machine and a registry."""

from puna.errors import BadRequestError, NotFoundError, PunaError


class RegistryError(PunaError):
    """A registry answered with an error, or with something that cannot be used."""


class TransientError(RegistryError):
    """The network or the registry failed in a way that may pass: try again after ``retry_after`` seconds, if given."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RangesUnsupportedError(RegistryError):
    """The server sends whole blobs only."""


class ManifestNotFoundError(NotFoundError):
    """The registry has no such model. The text is the one that Ollama's clients know."""

    def __init__(self) -> None:
        super().__init__("pull model manifest: file does not exist")


class BlobMissingError(NotFoundError):
    """The registry lists a blob in a manifest and does not have it."""


class AccessDeniedError(RegistryError):
    """The registry wants other credentials."""


class UnverifiableBlobError(RegistryError):
    """What the registry sends does not hash to the digest that its manifest states."""

    def __init__(self, digest: str, actual: str) -> None:
        super().__init__(
            f"digest mismatch: the registry's bytes for {digest} hash to {actual}, also when fetched again; "
            "nothing was stored"
        )


class InsecureProtocolError(BadRequestError):
    """Plain http was asked for without ``insecure``."""

    def __init__(self) -> None:
        super().__init__("insecure protocol http")


class RegistryNotAllowedError(BadRequestError):
    """The settings do not let this server use the registry."""


class PrivateAddressError(BadRequestError):
    """A request from the network would make the server talk to a machine on a private network."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is on a private network: set PUNA_ALLOW_PRIVATE_REGISTRIES, or name it in "
            "PUNA_ALLOWED_REGISTRIES, to let clients on other machines pull from it"
        )


class IdentityError(PunaError):
    """The key file cannot be used."""
