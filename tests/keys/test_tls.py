"""HTTPS: strong by default, renewed without a restart, trusted by commands that are told whom to trust."""

import datetime
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.keys.conftest import key_of
from tests.server import Server, World, wait_for

from puna.api.tls import TLS, TLSError

ASKED = {"model": "cria", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}


def write_certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate for this machine, which vouches for itself, and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / f"{name}.crt", directory / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return paths


@pytest.fixture(scope="module")
def secure() -> Iterator[Server]:
    world = World()
    certificate, key = write_certificate(world.root, "first")
    world.environment |= {"PUNA_TLS_CERT": str(certificate), "PUNA_TLS_KEY": str(key)}
    server = Server(world)
    server.session.verify = str(certificate)
    yield server
    server.stop()
    assert "Traceback" not in server.log()
    assert world.close() == []


def handshake(server: Server, context: ssl.SSLContext) -> tuple[str, str, str]:
    """Return the version, the cipher and the subject that a server agrees to."""
    with (
        socket.create_connection(("127.0.0.1", server.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secret,
    ):
        der = secret.getpeercert(binary_form=True)
        cipher = secret.cipher()
        assert der and cipher
        subject = x509.load_der_x509_certificate(der).subject.rfc4514_string()
        return secret.version() or "", cipher[0], subject


def unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_answers_come_over_tls(secure: Server) -> None:
    assert secure.line.startswith("Puna ")
    assert f"https://127.0.0.1:{secure.port}" in secure.line
    answer = secure.post("/api/chat", ASKED)
    assert answer.status_code == 200
    assert json.loads(answer.text.splitlines()[-1])["done"]
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{secure.url}/api/tags", timeout=10)
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"http://127.0.0.1:{secure.port}/api/tags", timeout=10)
    assert secure.get("/api/tags").status_code == 200


def test_old_versions_and_weak_ciphers_are_refused(secure: Server) -> None:
    assert handshake(secure, unchecked())[0] == "TLSv1.3"
    older = unchecked()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(secure, older)[:2] == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    for ciphers in ("AES128-SHA", "ECDHE+AES:!AESGCM:!AESCCM"):
        weak = unchecked()
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(secure, weak)
    oldest = unchecked()
    oldest.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        oldest.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning):
        oldest.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(secure, oldest)


def test_commands_trust_whom_they_are_told_to(secure: Server) -> None:
    files = {name: secure.world.environment[name] for name in ("PUNA_TLS_CERT", "PUNA_TLS_KEY")}
    beside = World({**files, "OLLAMA_HOST": f"127.0.0.1:{secure.port}", "PUNA_TLS_CA": files["PUNA_TLS_CERT"]})
    assert "cria:latest" in beside.run("list").stdout
    away = World({"OLLAMA_HOST": f"https://localhost:{secure.port}", "PUNA_TLS_CA": files["PUNA_TLS_CERT"]})
    assert "cria:latest" in away.run("list").stdout
    for broken, said in ((files["PUNA_TLS_KEY"], "it has no certificates"), ("/none", "No such file")):
        away.environment["PUNA_TLS_CA"] = broken
        done = away.run("list")
        assert done.returncode == 1
        assert said in done.stderr
    assert [beside.close(), away.close()] == [[], []]


@pytest.mark.parametrize("command", [["list"], ["run", "cria", "hi"]])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://localhost:{}", "is not trusted: self-signed certificate (PUNA_TLS_CA"),
        ("http://localhost:{}", "is it https://"),
    ],
)
def test_a_server_that_cannot_be_understood_is_not_taken_for_none(
    secure: Server, url: str, said: str, command: list[str]
) -> None:
    away = World({"OLLAMA_HOST": url.format(secure.port)})
    done = away.run(*command)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert said in done.stderr
    assert away.close() == []


def test_certificate_is_renewed_without_a_restart(secure: Server) -> None:
    certificate, key = (Path(secure.world.environment[name]) for name in ("PUNA_TLS_CERT", "PUNA_TLS_KEY"))
    before = (certificate.read_bytes(), key.read_bytes())
    renewed = write_certificate(secure.world.root, "second")

    def subject() -> str:
        return handshake(secure, unchecked())[2]

    with requests.Session() as lasting:
        lasting.trust_env, lasting.verify = False, str(certificate)
        assert lasting.get(f"{secure.url}/api/version", timeout=10).status_code == 200
        renewed[0].replace(certificate)  # the key comes later: until then they do not fit
        wait_for(lambda: "stays in use" in secure.log(), 10, "the look at the files")
        assert subject() == "CN=first"
        renewed[1].replace(key)
        wait_for(lambda: subject() == "CN=second", 10, "the renewed certificate")
        assert lasting.get(f"{secure.url}/api/version", timeout=10).status_code == 200, "its connection goes on"
    certificate.write_bytes(before[0])
    key.write_bytes(before[1])
    wait_for(lambda: subject() == "CN=first", 10, "the old certificate")


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("none.crt", "", "none.crt: No such file"),
        ("x.crt", "", "are no certificate and its key"),
        ("x.crt", "none.key", "none.key: No such file"),
        ("x.key", "x.key", "are no certificate and its key"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, cert: str, key: str, said: str) -> None:
    write_certificate(tmp_path, "x")
    with pytest.raises(TLSError, match=said):
        TLS(tmp_path / cert, tmp_path / key if key else None)


def test_key_that_needs_a_password_asks_nobody(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "x")
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(loaded.private_bytes(pem, form, serialization.BestAvailableEncryption(b"secret")))
    with pytest.raises(TLSError, match="are no certificate and its key"):
        TLS(certificate, key)


def test_a_server_does_not_start_without_its_certificate(world: World) -> None:
    world.environment["PUNA_TLS_CERT"] = "/none.crt"
    done = world.run("serve")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: /none.crt: No such file or directory (PUNA_TLS_CERT, PUNA_TLS_KEY)\n"


def test_keys_are_asked_for_over_tls_as_well(secure: Server) -> None:
    text = key_of(secure.world, "ada")
    assert secure.get("/api/tags").status_code == 401
    assert secure.get("/api/tags", headers={"Authorization": f"Bearer {text}"}).status_code == 200
