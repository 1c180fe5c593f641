"""Settings: types, defaults, and one clear sentence for a wrong value."""

import math
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from puna.cli.store import prepare_models
from puna.config.address import Address, parse_address
from puna.config.values import Credentials
from puna.models.registry.credentials import CredentialStore
from puna.models.registry.errors import IdentityError
from puna.models.registry.identity import Identity
from puna.settings import SETTINGS, SettingError, Settings


def one(variable: str, text: str) -> Any:
    name = next(entry.name for entry in SETTINGS if entry.variable == variable)
    return getattr(Settings.from_env({variable: text}), name)


def test_defaults() -> None:
    settings = Settings.from_env({})
    assert settings.address == Address("127.0.0.1", 11434)
    assert settings.keep_alive == 300
    assert settings.max_queue == 512
    assert settings.basic_auth is None
    assert not settings.allow_open
    assert settings.models.parts[-2:] == (".ollama", "models")
    assert settings == Settings.from_env({entry.variable: "" for entry in SETTINGS}), "empty is unset"


def test_every_setting_is_described() -> None:
    assert len({entry.variable for entry in SETTINGS}) == len(SETTINGS)
    assert all(entry.help and entry.variable.startswith(("OLLAMA_", "PUNA_")) for entry in SETTINGS)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost", Address("localhost", 11434)),
        (":8080", Address("127.0.0.1", 8080)),
        ("0.0.0.0", Address("0.0.0.0", 11434)),
        ("example.com:1", Address("example.com", 1)),
        ("http://example.com", Address("example.com", 80)),
        ("https://example.com", Address("example.com", 443, "https")),
        ("http://example.com:5000/path", Address("example.com", 5000, prefix="/path")),
        ("https://[::1]/a/b//c/", Address("::1", 443, "https", prefix="/a/b/c")),
        ("http://example.com:5000/", Address("example.com", 5000)),
        ("[::1]:9", Address("::1", 9)),
        ("[::1]", Address("::1", 11434)),
        ("::1", Address("::1", 11434)),
        ("", Address("127.0.0.1", 11434)),
        ("::0001", Address("::1", 11434)),
        ("HTTP://Example.com/v1", Address("Example.com", 80, prefix="/v1")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("banana:port", "'port' is not a port"),
        ("banana:123456", "is not a port"),
        ("::::", "'::::' is not an IPv6 address"),
        ("[::1", "is not an address"),
        ("[::1]11434", "is not an address"),
        ("[banana]", "is not an address"),
        ("http://a/b?c", "the path in an address is of letters"),
        ("two words", "is not the name or the address of a host"),
        ("ftp://example.com", "must begin with http:// or https://"),
    ],
)
def test_what_is_no_address_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=f"OLLAMA_HOST: .*{message}"):
        Settings.from_env({"OLLAMA_HOST": text})


@pytest.mark.parametrize(
    "text", ["http://user:hunter2@host", "user:hunter2@host:1", "http://user:/hunter2@host", "http://:hunter2@"]
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    for variable, value in (("OLLAMA_HOST", text), ("PUNA_MIRRORS", f"a={text}")):
        with pytest.raises(SettingError, match=f"{variable}: .*(do|does) not belong into an address") as refused:
            Settings.from_env({variable: value})
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("x.com", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert Address(host, 1).is_loopback is loopback


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("OLLAMA_KEEP_ALIVE", "-1", math.inf),
        ("OLLAMA_KEEP_ALIVE", "1h", 3600.0),
        ("OLLAMA_BASIC_AUTH", "Ada:a:b", Credentials("Ada", "a:b")),
        ("OLLAMA_DEBUG", "1", True),
        ("OLLAMA_DEBUG", "2", True),
        ("OLLAMA_DEBUG", "0", False),
        ("OLLAMA_DEBUG", "false", False),
        ("PUNA_TRUSTED_PROXIES", "10.0.0.1, fd00::/8", (ip_network("10.0.0.1"), ip_network("fd00::/8"))),
        ("OLLAMA_FLASH_ATTENTION", "false", False),
        ("OLLAMA_KV_CACHE_TYPE", "Q8_0", "q8_0"),
        ("OLLAMA_ORIGINS", " https://a.example , app://* ,", ("https://a.example", "app://*")),
        ("PUNA_MAX_BODY", "2k", 2048),
        ("PUNA_MAX_BODY", "1GiB", 1 << 30),
        ("PUNA_MAX_BODY", "5", 5),
    ],
)
def test_values(variable: str, text: str, value: Any) -> None:
    assert one(variable, text) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OLLAMA_HOST", "localhost:x"),
        ("OLLAMA_HOST", "localhost:70000"),
        ("OLLAMA_KEEP_ALIVE", "soon"),
        ("OLLAMA_NUM_PARALLEL", "-1"),
        ("OLLAMA_NUM_PARALLEL", "two"),
        ("OLLAMA_KV_CACHE_TYPE", "q9"),
        ("OLLAMA_DEBUG", "maybe"),
        ("OLLAMA_BASIC_AUTH", "user"),
        ("OLLAMA_BASIC_AUTH", ":password"),
        ("OLLAMA_BASIC_AUTH", "user:"),
        ("PUNA_MAX_BODY", "lots"),
        ("OLLAMA_MODELS", "~nobody-has-this-name/models"),
        ("OLLAMA_MAX_QUEUE", "9" * 5000),
        ("OLLAMA_DEBUG", "loud"),
        ("OLLAMA_KEEP_ALIVE", "5\udce9"),
        ("PUNA_MIRRORS", "a=http://[::1"),
        ("PUNA_TRUSTED_PROXIES", "nginx"),
    ],
)
def test_wrong_value_names_its_variable(variable: str, text: str) -> None:
    with pytest.raises(SettingError, match=f"^{variable}: "):
        Settings.from_env({variable: text})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OLLAMA_HOST", "http://bob:hunter2@host"),
        ("OLLAMA_HOST", "bob:hunter2@host:1"),
        ("PUNA_MIRRORS", "a=https://bob:hunter2@host?"),
        ("OLLAMA_BASIC_AUTH", "hunter2"),
        ("PUNA_REGISTRY_AUTH", "host=hunter2"),
    ],
)
def test_password_in_a_wrong_value_is_not_repeated(variable: str, text: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.from_env({variable: text})
    assert "hunter2" not in str(caught.value)


def test_without_a_home_paths_that_are_given_are_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(path: Path) -> Path:
        raise RuntimeError(path)

    monkeypatch.setattr(Path, "expanduser", missing)
    with pytest.raises(
        SettingError, match=r"^OLLAMA_MODELS: ~/\.ollama/models is in a home directory that is not there"
    ):
        Settings.from_env({})
    monkeypatch.setattr(Path, "expanduser", lambda path: missing(path) if path.parts[0] == "~" else path)
    settings = Settings.from_env({"OLLAMA_MODELS": str(tmp_path / "m"), "PUNA_HOME": str(tmp_path)})
    assert "has been made" in prepare_models(settings)
    CredentialStore()
    with pytest.raises(IdentityError, match="no home directory"):
        Identity().sign(b"x")


def test_password_is_not_printed() -> None:
    assert "secret" not in repr(Settings.from_env({"OLLAMA_BASIC_AUTH": "Ada:secret"}))


@pytest.mark.parametrize("value", ["0", "0s", "-1"])
def test_a_timeout_of_nothing_is_none(value: str) -> None:
    names = ("OLLAMA_LOAD_TIMEOUT", "PUNA_STALL_TIMEOUT", "PUNA_CLIENT_TIMEOUT")
    settings = Settings.from_env(dict.fromkeys(names, value))
    assert (settings.load_timeout, settings.stall_timeout, settings.client_timeout) == (math.inf,) * 3
