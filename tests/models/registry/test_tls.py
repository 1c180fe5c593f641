"""https with an authority of one's own, and without."""

import datetime
import ipaddress
import ssl
import threading
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.models.registry.fake import FakeRegistry
from tests.models.registry.test_transfers import run, statuses
from tests.models.registry.weights import weights

from puna.models.registry.errors import RegistryError, TransientError


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
async def address(certificate: Path):
    """Serve a model over https and return ``host:port``."""
    fake = FakeRegistry()
    fake.add(weights(b"model" * 50_000))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_private_authority(address, certificate, library, make_transfers, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    events = await run(make_transfers(library).puller.pull(f"{address}/a/b"))
    assert statuses(events)[-1] == "success"


async def test_unknown_authority(address, library, make_transfers) -> None:
    with pytest.raises(RegistryError, match="SSL_CERT_FILE can name a private authority") as caught:
        await run(make_transfers(library).puller.pull(f"{address}/a/b"))
    assert not isinstance(caught.value, TransientError)


async def test_authorities_are_read_beside_the_event_loop(address, library, make_transfers, monkeypatch) -> None:
    threads = []

    def create() -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return context

    context = ssl.create_default_context()
    monkeypatch.setattr("puna.models.registry.http.ssl.create_default_context", create)
    for _ in range(2):
        with pytest.raises(RegistryError):
            await run(make_transfers(library).puller.pull(f"{address}/a/b"))
    assert threads
    assert threading.main_thread() not in threads
