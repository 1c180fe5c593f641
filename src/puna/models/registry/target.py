"""What a model reference means as an address: which server, which repository, over which protocol."""

from dataclasses import dataclass, field

from yarl import URL

from puna.config.values import Credentials
from puna.models.registry.errors import InsecureProtocolError
from puna.models.registry.policy import AccessPolicy
from puna.names import InvalidNameError, ModelName, parse_name

_ALIASES = {"hf.co": "huggingface.co"}
"""Short hosts that only redirect: asking the real one keeps the challenge and its answer on one origin."""


@dataclass(frozen=True, slots=True)
class Target:
    """One repository at one server."""

    name: ModelName
    base: URL
    guarded: bool
    """Whether addresses on private networks are refused."""
    credentials: Credentials | None = field(default=None, repr=False)
    of_host: str = ""
    """The registry whose model is asked for, where the server has models of several (``ns``, as containerd asks)."""

    @property
    def repository(self) -> str:
        """Return the repository's path at the server."""
        return f"{self.name.namespace}/{self.name.model}"

    @property
    def origin(self) -> URL:
        """Return scheme, host and port of the server."""
        return self.base.origin()

    def url(self, *parts: str) -> URL:
        """Return the address of something in the repository."""
        address = self.base / "v2" / self.name.namespace / self.name.model / "/".join(parts)
        return address.with_query(ns=self.of_host) if self.of_host else address


@dataclass(frozen=True, slots=True)
class Reference:
    """A model reference as the user wrote it: ``[scheme://][user:password@][host/][namespace/]model[:tag]``."""

    name: ModelName
    scheme: str = ""
    credentials: Credentials | None = field(default=None, repr=False)


def parse_reference(text: str) -> Reference:
    """Return what ``text`` means; raise ``InvalidNameError``."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    login, at, bare = rest.rpartition("@")
    user, _, password = login.partition(":")
    if scheme not in ("", "http", "https") or (at and not (user and password)):
        raise InvalidNameError(f"{scheme}{separator}{bare}")
    name = parse_name(bare if at else rest)
    return Reference(name, scheme, Credentials(user, password) if at else None)


def resolve(reference: Reference, policy: AccessPolicy, *, insecure: bool, guarded: bool, mirrored: bool) -> Target:
    """Return where the model lies; raise ``RegistryNotAllowedError`` or ``InsecureProtocolError``.

    ``mirrored`` lets a mirror of the settings stand in (for pulls). ``insecure`` means plain http, as in Ollama.
    """
    host = reference.name.host
    policy.check_registry(host)
    mirror = policy.mirror(host) if mirrored else None
    if mirror is not None:
        return Target(reference.name, mirror, guarded, reference.credentials)
    if reference.scheme == "http" and not insecure:
        raise InsecureProtocolError
    scheme = "http" if insecure and reference.scheme != "https" else "https"
    try:
        base = URL(f"{scheme}://{_ALIASES.get(host, host)}")
        _ = base.port
    except ValueError as error:
        raise InvalidNameError(str(reference.name)) from error
    return Target(reference.name, base, guarded, reference.credentials)
