"""Which addresses are on the internet, by IANA's registries.

An IPv6 address is public only if it lies in a block that IANA has assigned as global unicast and is in none of the
special-purpose blocks; one with an IPv4 address inside, which some gateway may send on to, only if that one is public
as well. IPv4 is assigned as a whole, so there everything is public that is not special.

Sources: IANA's "IPv6 Global Unicast Address Assignments" and "IPv4/IPv6 Special-Purpose Address Registry" (RFC 6890).
"""

import ipaddress
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_V4_SPECIAL = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared, behind a provider's translator
            "127.0.0.0/8",  # this machine
            "169.254.0.0/16",  # link-local; clouds answer here with credentials
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4, given up
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_V6_GLOBAL = IPv6Network("2000::/4")
"""Where all assignments lie; the rest of 2000::/3 is in reserve."""
_V6_SPECIAL = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: benchmarks, ORCHID and others; Teredo is looked into
            "2001:db8::/32",  # documentation
            "2d00::/8",  # in reserve
            "2e00::/7",  # in reserve
        ),
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The upper half of an interface's identifier that has an IPv4 address in the lower half (RFC 5214)."""


def is_literal(host: str) -> bool:
    """Return whether ``host`` is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(text: str) -> bool:
    """Return whether an address is on the internet, and not on a private network or this machine.

    Raises ``ValueError`` for what is no address.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, IPv4Address):
        return _is_public_v4(address)
    if address in _MAPPED or address in _NAT64:  # both stand for the IPv4 address, and nothing else
        return _is_public_v4(_low(address))
    if address not in _V6_GLOBAL or address.scope_id is not None:
        return False
    if address not in _TEREDO and any(address in block for block in _V6_SPECIAL):
        return False
    return all(_is_public_v4(inner) for inner in _embedded(address))


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in block for block in _V4_SPECIAL)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses to which a tunnel may carry what is sent to ``address``."""
    if address.teredo:
        yield from address.teredo
    if address.sixtofour:
        yield address.sixtofour
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield _low(address)


def _low(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)
