"""Pulls for other machines stay out of private networks."""

import socket

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from tests.models.registry.fake import FakeRegistry, serve
from tests.models.registry.test_transfers import run, statuses
from tests.models.registry.weights import weights
from yarl import URL

from puna.models.registry.errors import PrivateAddressError, RegistryError, TransientError
from puna.models.registry.policy import AccessPolicy
from puna.net.guard import GuardedResolver, check_url
from puna.settings import SettingError, Settings


def test_private_addresses_are_for_hosts_that_the_settings_name() -> None:
    with pytest.raises(PrivateAddressError, match="host:5000 is on a private network"):
        AccessPolicy().check_address("host", 5000, "10.1.2.3")
    AccessPolicy().check_address("host", 5000, "1.1.1.1")
    AccessPolicy(allow_private=True).check_address("host", 5000, "10.1.2.3")
    AccessPolicy(allowed=["host:5000"]).check_address("Host", 5000, "10.1.2.3")
    AccessPolicy(mirrors={"x": URL("http://host:5000")}).check_address("host", 5000, "10.1.2.3")


@pytest.mark.parametrize("port", [443, 80])
def test_allowed_registry_without_a_port_has_those_of_the_web(port: int) -> None:
    AccessPolicy(allowed=["host"]).check_address("host", port, "10.1.2.3")


@pytest.mark.parametrize(
    "policy",
    [
        AccessPolicy(allowed=["host:5000"]),
        AccessPolicy(allowed=["host"]),
        AccessPolicy(mirrors={"x": URL("http://host:5000")}),
        AccessPolicy(mirrors={"x": URL("http://host")}),
    ],
)
def test_named_host_is_not_named_on_every_port(policy: AccessPolicy) -> None:
    with pytest.raises(PrivateAddressError):
        policy.check_address("host", 6379, "10.1.2.3")


class Rebinding(AbstractResolver):
    """Resolves every name to a private address."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}
            for address in ("1.1.1.1", "127.0.0.1")
        ]

    async def close(self) -> None:
        pass


async def test_resolver_refuses_a_name_that_leads_inside() -> None:
    with pytest.raises(PrivateAddressError):
        await GuardedResolver(AccessPolicy(), Rebinding()).resolve("rebind.example")


async def test_old_spelling_of_an_address_is_resolved_before_it_is_used() -> None:
    with pytest.raises(PrivateAddressError):
        await check_url(URL("http://127.1:1"), AccessPolicy(), ThreadedResolver())


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:1", "0x7f.1:1", "2130706433:1", "127.1:1"])
async def test_guarded_pull_of_a_private_address(host, library, make_transfers) -> None:
    with pytest.raises((PrivateAddressError, RegistryError, ValueError)) as caught:
        await run(make_transfers(library).puller.pull(f"{host}/a/b", insecure=True, guarded=True))
    assert not isinstance(caught.value, TransientError)


async def test_guarded_pull_is_not_redirected_inside(library, make_transfers) -> None:
    inside = FakeRegistry()
    async with serve(inside) as inside_address:
        fake = FakeRegistry()
        fake.add(weights(b"model"))

        async def handler(request: web.Request) -> web.Response:
            if "/blobs/" in request.path:
                raise web.HTTPTemporaryRedirect(f"http://{inside_address.replace('127.0.0.1', 'localhost')}/secret")
            raise NotImplementedError

        fake.handler = handler
        async with serve(fake) as address:
            transfers = make_transfers(library, PUNA_ALLOWED_REGISTRIES=address)
            with pytest.raises(PrivateAddressError, match=r"localhost:\d+ is on a private network"):
                await run(transfers.puller.pull(f"{address}/a/b", insecure=True, guarded=True))
    assert inside.seen == []


async def test_guarded_pull_does_not_ask_a_token_server_inside(library, make_transfers) -> None:
    inside = FakeRegistry()
    async with serve(inside) as inside_address:
        fake = FakeRegistry()

        async def handler(request: web.Request) -> web.Response:
            realm = f"http://{inside_address.replace('127.0.0.1', 'localhost')}/token"
            return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})

        fake.handler = handler
        async with serve(fake) as address:
            transfers = make_transfers(library, PUNA_ALLOWED_REGISTRIES=address)
            with pytest.raises(PrivateAddressError):
                await run(transfers.puller.pull(f"{address}/a/b", insecure=True, guarded=True))
    assert inside.seen == []


async def test_guarded_pull_from_a_private_registry_that_is_allowed(library, make_transfers) -> None:
    fake = FakeRegistry()
    fake.add(weights(b"model"))
    async with serve(fake) as address:
        transfers = make_transfers(library, PUNA_ALLOW_PRIVATE_REGISTRIES="1")
        events = await run(transfers.puller.pull(f"{address}/a/b", insecure=True, guarded=True))
    assert statuses(events)[-1] == "success"


async def test_proxy_of_the_environment_is_used(library, make_transfers, monkeypatch) -> None:
    fake = FakeRegistry()
    fake.add(weights(b"model"))
    async with serve(fake) as address:
        monkeypatch.setenv("http_proxy", f"http://{address}")
        monkeypatch.setenv("no_proxy", "direct.invalid")
        events = await run(make_transfers(library).puller.pull("registry.invalid/a/b", insecure=True))
        assert statuses(events)[-1] == "success"
        assert fake.seen[0].headers["Host"] == "registry.invalid"
        with pytest.raises(TransientError):
            await run(make_transfers(library).puller.pull("direct.invalid/a/b", insecure=True))


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.com"])
async def test_a_host_that_cannot_be_a_name_is_not_found(host, guarded, library, make_transfers) -> None:
    with pytest.raises(TransientError, match="this is no name of a host"):
        await run(make_transfers(library).puller.pull(f"{host}/a/b", guarded=guarded))


async def test_guarded_pull_does_not_reach_the_proxy_itself(library, make_transfers, monkeypatch) -> None:
    fake = FakeRegistry()
    async with serve(fake) as address:
        monkeypatch.setenv("http_proxy", f"http://{address.replace('127.0.0.1', 'localhost')}")
        port = address.partition(":")[2]
        with pytest.raises(PrivateAddressError):
            await run(make_transfers(library).puller.pull(f"localhost:{port}/a/b", insecure=True, guarded=True))
    assert fake.seen == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PUNA_MIRRORS", "registry.ollama.ai"),
        ("PUNA_MIRRORS", "a=ftp://b"),
        ("PUNA_MIRRORS", "a=https://"),
        ("PUNA_REGISTRY_AUTH", "host=user"),
    ],
)
def test_settings_that_cannot_be_used(variable, value) -> None:
    with pytest.raises(SettingError, match=variable):
        Settings.from_env({variable: value})


def test_passwords_are_not_shown() -> None:
    assert "hunter2" not in repr(Settings.from_env({"PUNA_REGISTRY_AUTH": "host=ana:hunter2"}))
