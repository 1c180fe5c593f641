"""Who asks: the peer, unless a proxy that is trusted says better."""

import ipaddress
from typing import Any

import pytest

from puna.accounts.grant import Grant
from puna.accounts.keys import Key
from puna.api.access.identity import Identity, identify

PROXIES = [ipaddress.ip_network(text) for text in ("127.0.0.1", "10.0.0.0/8", "::1")]


def who(peer: str | None, *forwarded: str, trusted: bool = False, **headers: str) -> Identity:
    fields = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    fields += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "headers": fields, "client": peer and (peer, 1)}
    return identify(scope, PROXIES if trusted else [])


@pytest.mark.parametrize(
    ("peer", "remote"),
    [
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("192.168.1.2", True),
        ("203.0.113.7", True),
        ("::ffff:203.0.113.7", True),
        ("2001:db8::1", True),
        ("no address", True),
        (None, False),
    ],
)
def test_peer_decides(peer: str | None, remote: bool) -> None:
    assert who(peer).remote is remote
    assert who(peer, trusted=True).remote is remote


def test_client_is_the_peer_however_it_calls_itself() -> None:
    for line in ("1.1.1.1", "2.2.2.2, 3.3.3.3", "127.0.0.1", "nonsense", ""):
        assert who("203.0.113.7", line).client == "203.0.113.7"
        assert who("203.0.113.7", line).remote
        assert who("203.0.113.7", line, trusted=True).client == "203.0.113.7", "it is no proxy that is trusted"


@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for", "x_real_ip"])
def test_who_may_be_behind_a_proxy_is_remote(header: str) -> None:
    identity = who("127.0.0.1", **{header: "127.0.0.1"})
    assert (identity.client, identity.remote) == ("127.0.0.1", True)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        (["127.0.0.1, 203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, nonsense"], "127.0.0.1"),
        (["203.0.113.7, nonsense, 10.0.0.1"], "10.0.0.1"),
        (["10.0.0.2, 10.0.0.1"], "10.0.0.2"),
    ],
)
def test_proxy_that_is_trusted_says_who_asks(forwarded: list[str], client: str) -> None:
    identity = who("127.0.0.1", *forwarded, trusted=True)
    assert identity.client == client
    assert identity.remote


def test_proxy_that_is_trusted_may_pass_on_what_is_local() -> None:
    assert not who("127.0.0.1", "::1", trusted=True).remote


def test_key_has_its_turns_wherever_it_comes_from() -> None:
    key = Key(name="ada", id="1", hash=b"", grant=Grant(), created=0)
    assert Identity("203.0.113.7", remote=True, key=key).client == "ada"
