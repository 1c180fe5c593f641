"""Which addresses are on the internet."""

import pytest

from puna.net.addresses import is_literal, is_public

PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "9.255.255.255",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
]
OTHER_PRIVATE = [
    "::", "::1", "::127.0.0.1", "::1.1.1.1", "::ffff:0:127.0.0.1", "::ffff:0:1.1.1.1", "64:ff9b:1::a00:1",
    "64:ff9b:1::101:101", "64:ff9b:0:0:0:1:101:101", "100::1", "100:0:0:1::1", "1fff::1", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:1ff::1", "2001:db8::1", "2d00::1", "2e00::1", "2fff::1", "3000::1", "3ffe::1", "3fff::1",
    "4000::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fec0::1", "ff02::1",
    "ff0e::1",
]  # fmt: skip
OTHER_PUBLIC = ["2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450:4001::1", "2c0f::1"]


def inside(address: str) -> list[str]:
    """Return IPv6 addresses that lead to an IPv4 address, by every way that is known."""
    a, b, c, d = map(int, address.split("."))
    high, low = f"{a << 8 | b:x}", f"{c << 8 | d:x}"
    turned = f"{(a << 8 | b) ^ 0xFFFF:x}:{(c << 8 | d) ^ 0xFFFF:x}"
    return [
        f"::ffff:{high}:{low}",
        f"64:ff9b::{high}:{low}",
        f"2002:{high}:{low}::1",
        f"2001:0:{high}:{low}:8000:1:fefe:fefe",  # Teredo: the server, with the client 1.1.1.1
        f"2001:0:101:101:8000:1:{turned}",  # and the client
        f"2a00:1450::5efe:{high}:{low}",  # ISATAP
        f"2a00:1450::200:5efe:{high}:{low}",
    ]


@pytest.mark.parametrize("address", PRIVATE + OTHER_PRIVATE)
def test_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC + OTHER_PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_inside_another(address: str) -> None:
    assert [other for other in inside(address) if is_public(other)] == []


@pytest.mark.parametrize("address", PUBLIC)
def test_public_inside_another(address: str) -> None:
    assert [other for other in inside(address) if not is_public(other)] == []


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "1.1.1.1.", "1.1.1.256"])
def test_what_is_no_address(text: str) -> None:
    assert not is_literal(text)
    with pytest.raises(ValueError):
        is_public(text)
