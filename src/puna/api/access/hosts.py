"""Which names in a ``Host`` header are this machine's own."""

import ipaddress
import re
import socket
from functools import lru_cache

_LOCAL_DOMAINS = ("localhost", "local", "internal")
_WITH_PORT = re.compile(r":\d*$")


def is_local_host(header: str) -> bool:
    """Return whether a ``Host`` header names this machine or its private network."""
    host = header.rpartition(":")[0] if _WITH_PORT.search(header) and not header.endswith("]") else header
    name = host.strip("[]").lower()
    local = _is_local_address(name)
    if local is None:
        return name == socket.gethostname().lower() or name.rpartition(".")[2] in _LOCAL_DOMAINS
    return local


@lru_cache(maxsize=64)
def _is_local_address(name: str) -> bool | None:
    """Return whether an IP address is of this machine or its private network, ``None`` for what is none."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    return address.is_loopback or address.is_private or address.is_unspecified
