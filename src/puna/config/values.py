"""What the text of a setting means: numbers, sizes, lists, logins.

Each function takes the text that the environment would hold, and raises ``BadRequestError`` for one that means nothing.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from puna.errors import BadRequestError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LEAST_TOKEN = 32
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password for HTTP Basic authentication."""

    user: str
    password: str = field(repr=False)


def parse_credentials(text: str) -> Credentials:
    """Return the user and password of ``user:password``."""
    user, colon, password = text.partition(":")
    if not colon or not user or not password:
        raise BadRequestError("it must have the form user:password")
    return Credentials(user, password)


def parse_bool(text: str) -> bool:
    """Return what one of the usual words for true and false means."""
    lowered = text.strip().lower()
    if lowered in {"1", "t", "true", "yes", "on"}:
        return True
    if lowered in {"0", "f", "false", "no", "off"}:
        return False
    raise BadRequestError(f"{text!r} is neither true nor false")


def parse_level(text: str) -> bool:
    """Return whether a level of logging, which Ollama counts from 0 on, is more than the usual one."""
    return int(text) > 0 if text.isascii() and text.isdigit() else parse_bool(text)


def parse_count(text: str) -> int:
    """Return a whole number of 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise BadRequestError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def parse_positive(text: str) -> int:
    """Return a whole number of 1 or more."""
    if not (number := parse_count(text)):
        raise BadRequestError("it must be at least 1")
    return number


def parse_bytes(text: str) -> int:
    """Return a size in bytes; units (``K``, ``M``, ``G``, ``T``, also with ``B`` or ``iB``) are those of 1,024."""
    lowered = text.strip().lower().removesuffix("b").removesuffix("i")
    unit = lowered[-1:] if lowered[-1:] in _UNITS else ""
    return parse_count(lowered.removesuffix(unit).strip()) * _UNITS[unit]


def parse_path(text: str) -> Path:
    """Return an absolute path; ``~`` is the home directory."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise BadRequestError(f"{text} is in a home directory that is not there (HOME names one's own)") from None


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a list; an address is a network of one."""
    try:
        return tuple(ipaddress.ip_network(part, strict=False) for part in parse_list(text))
    except ValueError as error:
        raise BadRequestError(f"{error}: it must be a list of IP addresses or networks") from None


def parse_list(text: str) -> tuple[str, ...]:
    """Return the entries of a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_pairs(text: str) -> dict[str, str]:
    """Return what stands for each key of ``key=value,...``; keys are in lower case."""
    pairs: dict[str, str] = {}
    for entry in parse_list(text):
        key, equals, value = (part.strip() for part in entry.partition("="))
        if not (key and equals and value):
            raise BadRequestError("it must have the form host=value,...")
        pairs[key.lower()] = value
    return pairs


def parse_mirrors(text: str) -> dict[str, str]:
    """Return the address that stands for each registry."""
    mirrors: dict[str, str] = {}
    for host, address in parse_pairs(text).items():
        mirrors[host] = checked_registry(address)
    return mirrors


def checked_registry(address: str) -> str:
    """Return the base address of a registry, which is one of https unless it says something else."""
    if "@" in address:
        raise BadRequestError("a login does not belong into an address; PUNA_REGISTRY_AUTH holds them")
    url = urlsplit(address if "://" in address else f"https://{address}")
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise BadRequestError(f"{address!r} is not the address of a registry")
    return url.geturl().rstrip("/")


def parse_patterns(text: str) -> tuple[str, ...]:
    """Return patterns of names; a word for true means all, one for false none."""
    try:
        return ("*",) if parse_bool(text or "false") else ()
    except BadRequestError:
        return parse_list(text)


def parse_peers(text: str) -> tuple[str, ...]:
    """Return the addresses of a list."""
    return tuple(checked_registry(address) for address in parse_list(text))


def parse_logins(text: str) -> dict[str, Credentials]:
    """Return the login for each host."""
    return {host: parse_credentials(login) for host, login in parse_pairs(text).items()}


def parse_choice(*choices: str) -> Callable[[str], str]:
    """Return a function for a text that is one of ``choices``, in whatever case."""

    def parse(text: str) -> str:
        lowered = text.strip().lower()
        if lowered not in choices:
            raise BadRequestError(f"{text!r} is not one of {', '.join(choices)}")
        return lowered

    return parse


def optional(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function as ``parse`` for which an empty text means ``None``."""
    return lambda text: parse(text) if text else None


def optional_token(text: str) -> str:
    """Return a random text, or the empty one."""
    if text and len(text) < _LEAST_TOKEN:
        raise BadRequestError(f"it must be a random text of at least {_LEAST_TOKEN} characters")
    return text
