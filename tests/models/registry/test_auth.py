"""Who gets which secret."""

import base64
import hashlib
import subprocess
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.models.registry.conftest import OPTIONS
from tests.models.registry.fake import FakeRegistry, serve
from tests.models.registry.test_transfers import run
from tests.models.registry.weights import weights
from tests.system import require
from yarl import URL

import puna.models.registry.http
from puna.config.values import Credentials
from puna.models.manifests import BadManifestError
from puna.models.registry.auth import Authenticator, parse_challenges
from puna.models.registry.credentials import CredentialStore
from puna.models.registry.errors import AccessDeniedError, RegistryError
from puna.models.registry.identity import Identity
from puna.models.registry.key_file import IdentityError, load_or_create, public_text

BEARER = 'Bearer realm="https://auth.example/token",service="svc, with comma",scope="repository:a/b:pull,push"'


def test_challenges_are_parsed() -> None:
    basic, bearer = parse_challenges([f'Basic realm="x \\"y\\"", {BEARER}'])
    assert (basic.scheme, basic.realm) == ("basic", 'x "y"')
    assert (bearer.scheme, bearer.realm) == ("bearer", "https://auth.example/token")
    assert (bearer.service, bearer.scope) == ("svc, with comma", "repository:a/b:pull,push")


@pytest.mark.parametrize("text", ["", "Bearer", "Digest a=b", 'Bearer realm="open', "," * 50_000, "a=b " * 10_000])
def test_odd_challenges_do_no_harm(text) -> None:
    parse_challenges([text])


def token_registry(token_server: str, scope: str = "repository:a/b:pull") -> FakeRegistry:
    fake = FakeRegistry()

    async def handler(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") == "Bearer t0ken":
            raise NotImplementedError
        challenge = f'Bearer realm="http://{token_server}/token",service="svc",scope="{scope}"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    fake.handler = handler
    return fake


def token_server(**answer: object) -> FakeRegistry:
    fake = FakeRegistry()

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(answer or {"token": "t0ken"})

    fake.handler = handler
    return fake


async def test_bearer_flow(library, make_transfers) -> None:
    tokens = token_server()
    async with serve(tokens) as token_address:
        fake = token_registry(token_address)
        fake.add(weights(b"model" * 50_000))
        async with serve(fake) as address:
            await run(make_transfers(library).puller.pull(f"{address}/a/b", insecure=True))
    assert len(tokens.seen) == 1
    assert dict(tokens.seen[0].query) == {"service": "svc", "scope": "repository:a/b:pull"}
    assert "Authorization" not in tokens.seen[0].headers


async def test_credentials_go_to_the_registrys_own_token_server(library, make_transfers) -> None:
    tokens = token_server(access_token="t0ken")
    async with serve(tokens) as token_address:
        fake = token_registry(token_address)
        fake.add(weights(b"model"))
        async with serve(fake) as address:
            transfers = make_transfers(library, PUNA_REGISTRY_AUTH=f"{address}=ana:secret")
            await run(transfers.puller.pull(f"{address}/a/b", insecure=True))
    assert tokens.seen[0].headers["Authorization"] == "Basic " + base64.b64encode(b"ana:secret").decode()


async def test_a_foreign_token_server_gets_no_credentials_and_no_signature(library, make_transfers) -> None:
    tokens = token_server()
    async with serve(tokens) as token_address:
        fake = token_registry(token_address.replace("127.0.0.1", "localhost"))
        fake.add(weights(b"model"))
        async with serve(fake) as address:
            transfers = make_transfers(library, PUNA_REGISTRY_AUTH=f"{address}=ana:secret")
            await run(transfers.puller.pull(f"{address}/a/b", insecure=True))
    assert [request.headers.get("Authorization") for request in tokens.seen] == [None]


@pytest.mark.parametrize("answer", [{"token": 3}, {"token": "a\r\nX: y"}, {"nothing": ""}])
async def test_bad_tokens(answer, library, make_transfers) -> None:
    async with serve(token_server(**answer)) as token_address:
        fake = token_registry(token_address)
        fake.add(weights(b"model"))
        async with serve(fake) as address:
            with pytest.raises(RegistryError, match="did not answer with a token"):
                await run(make_transfers(library).puller.pull(f"{address}/a/b", insecure=True))


async def test_a_redirect_to_a_cdn_carries_no_token(library, make_transfers) -> None:
    cdn = FakeRegistry()
    async with serve(cdn) as cdn_address, serve(token_server()) as token_address:
        fake = token_registry(token_address)
        fake.add(weights(b"model" * 40_000))
        cdn.blobs = fake.blobs
        protected = fake.handler

        async def handler(request: web.Request) -> web.StreamResponse:
            if "/blobs/" in request.path and request.headers.get("Authorization") == "Bearer t0ken":
                raise web.HTTPTemporaryRedirect(
                    f"http://{cdn_address}/store/{request.path.rpartition('/')[2]}?sig=%2B1"
                )
            return await protected(request)

        fake.handler = handler
        async with serve(fake) as address:
            await run(make_transfers(library).puller.pull(f"{address}/a/b", insecure=True))
    assert len(cdn.seen) >= 4
    assert all("Authorization" not in request.headers for request in cdn.seen)
    assert all(request.query_string == "sig=%2B1" for request in cdn.seen)


async def test_a_token_that_expires_is_renewed(library, make_transfers) -> None:
    served = 0
    tokens = FakeRegistry()

    async def give(request: web.Request) -> web.Response:
        return web.json_response({"token": f"t{len(tokens.seen)}"})

    tokens.handler = give
    async with serve(tokens) as token_address:
        fake = FakeRegistry()
        fake.add(weights(b"model" * 100_000))

        async def handler(request: web.Request) -> web.Response:
            nonlocal served
            if request.headers.get("Authorization") == f"Bearer t{len(tokens.seen)}" and served < 3:
                served += 1
                raise NotImplementedError
            served = 0
            challenge = f'Bearer realm="http://{token_address}/token",service="s",scope="x"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})

        fake.handler = handler
        async with serve(fake) as address:
            options = replace(OPTIONS, connections=1)
            await run(make_transfers(library, options).puller.pull(f"{address}/a/b", insecure=True))
    assert len(tokens.seen) > 1


async def test_a_login_serves_nobody_else(library, make_transfers) -> None:
    fake = FakeRegistry()
    fake.add(weights(b"model"))
    login = "Basic " + base64.b64encode(b"ana:secret").decode()

    async def handler(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") == login:
            raise NotImplementedError
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})

    fake.handler = handler
    async with serve(fake) as address:
        puller = make_transfers(library).puller
        await run(puller.pull(f"ana:secret@{address}/a/b", insecure=True))
        for other in ("", "eve:guess@"):
            with pytest.raises(AccessDeniedError):
                await run(puller.pull(f"{other}{address}/a/b", insecure=True))


async def test_tokens_of_many_repositories_are_not_kept_for_ever(library, make_transfers, monkeypatch) -> None:
    monkeypatch.setattr(puna.models.registry.http, "_MOST_AUTHORIZATIONS", 3)
    tokens = token_server()
    async with serve(tokens) as token_address, serve(token_registry(token_address)) as address:
        transfers = make_transfers(library)
        for number in (0, 1, 2, 3, 4, 4, 0):
            with pytest.raises(BadManifestError):
                await run(transfers.puller.pull(f"{address}/a/m{number}", insecure=True))
    assert len(tokens.seen) == 6, "the last one is known, the first one is not any more"


class TestSigning:
    """Ollama's own flow."""

    async def test_ollamas_registry_gets_a_signed_request_first(self, tmp_path) -> None:
        identity = Identity(tmp_path / "new" / "id_ed25519")
        asked: list[tuple[URL, str | None]] = []

        async def send(url: URL, authorization: str | None) -> tuple[int, bytes]:
            asked.append((url, authorization))
            return 200, b'{"token":"t"}'

        challenges = parse_challenges(['Bearer realm="https://ollama.com/token",service="ollama.com",scope="a b"'])
        authenticator = Authenticator(CredentialStore(), identity)
        assert await authenticator.answer(URL("https://registry.ollama.ai"), challenges, None, send) == "Bearer t"
        ((url, header),) = asked
        query = parse_qs(urlsplit(str(url)).query)
        assert query["scope"] == ["a", "b"]
        assert set(query) == {"scope", "service", "ts", "nonce"}
        key_text, _, signature = header.partition(":")
        empty = base64.b64encode(hashlib.sha256(b"").hexdigest().encode()).decode()
        key = serialization.load_ssh_public_key(f"ssh-ed25519 {key_text}".encode())
        assert isinstance(key, Ed25519PublicKey)
        key.verify(base64.b64decode(signature), f"GET,{url},{empty}".encode())

    async def test_another_registry_cannot_have_a_token_of_ollamas(self, tmp_path) -> None:
        asked: list[str | None] = []

        async def send(url: URL, authorization: str | None) -> tuple[int, bytes]:
            asked.append(authorization)
            return 401, b""

        challenges = parse_challenges(['Bearer realm="https://ollama.com/token",service="ollama.com"'])
        authenticator = Authenticator(CredentialStore(), Identity(tmp_path / "key"))
        with pytest.raises(AccessDeniedError):
            await authenticator.answer(URL("https://evil.example"), challenges, None, send)
        assert asked == [None]
        assert not (tmp_path / "key").exists()

    async def test_token_server_without_encryption_is_refused(self, tmp_path) -> None:
        async def send(url: URL, authorization: str | None) -> tuple[int, bytes]:
            raise AssertionError(url)

        challenges = parse_challenges(['Bearer realm="http://registry.ollama.ai/token"'])
        authenticator = Authenticator(CredentialStore(), Identity(tmp_path / "key"))
        with pytest.raises(RegistryError, match="without encryption"):
            await authenticator.answer(URL("https://registry.ollama.ai"), challenges, None, send)

    def test_key_is_made_once_and_openssh_reads_it(self, tmp_path) -> None:
        path = tmp_path / "dot" / "id_ed25519"
        line = public_text(load_or_create(path))
        assert path.stat().st_mode & 0o777 == 0o600
        assert public_text(load_or_create(path)) == line
        shown = subprocess.run([require("ssh-keygen"), "-y", "-f", path], capture_output=True, text=True)
        assert shown.stdout.split()[:2] == line.split()

    @pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
    def test_unusable_key(self, content, tmp_path) -> None:
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(IdentityError, match="cannot be used"):
            Identity(tmp_path / "key").sign(b"")


def test_docker_logins(tmp_path) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        '{"auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}, "lan:5000": {"auth": "Yzpk"}, "odd": {}}}'
    )
    store = CredentialStore({"other": Credentials("e", "f")}, config)
    assert store.find("registry-1.docker.io") == Credentials("a", "b")
    assert store.find("LAN:5000") == Credentials("c", "d")
    assert store.find("other") == Credentials("e", "f")
    assert store.find("lan") is None
    assert store.find("odd") is None
    config.write_text("[1]")
    assert store.find("lan:5000") is None
