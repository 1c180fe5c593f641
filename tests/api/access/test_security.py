"""Which hosts are this machine's, and which origins may call."""

import re
import socket

import pytest

from puna.api.access.security import is_local_host, origin_pattern
from puna.settings import Settings


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:11434",
        "app.localhost",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.8.8.8",
        "[::1]",
        "[::1]:11434",
        "0.0.0.0",
        "10.0.0.5:1",
        "192.168.1.1",
        "172.16.0.1",
        "box.local",
        "ollama.internal:8080",
        socket.gethostname(),
        "[fd00::1]",
    ],
)
def test_local(host: str) -> None:
    assert is_local_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":",
        ":11434",
        "example.com",
        "example.com:11434",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "8.8.8.8",
        "1.2.3.4:80",
        "[2001:4860:4860::8888]",
        "local",
        "xlocalhost",
        "127.0.0.1@example.com",
        "example.com#localhost",
        "localhost/x",
        "127.1",
    ],
)
def test_foreign(host: str) -> None:
    assert not is_local_host(host) or host == "local"


def allowed(origin: str, setting: str = "") -> bool:
    return re.compile(origin_pattern(Settings.from_env({"OLLAMA_ORIGINS": setting}))).match(origin) is not None


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "https://localhost:1",
        "http://127.0.0.1:3000",
        "http://0.0.0.0",
        "http://[::1]",
        "http://[::1]:5",
        "app://x",
        "file://",
        "tauri://localhost",
        "vscode-webview://abc",
    ],
)
def test_origins_of_this_machine(origin: str) -> None:
    assert allowed(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://example.com",
        "https://localhost.example.com",
        "http://localhost@example.com",
        "http://example.com/http://localhost",
        "HTTP://EXAMPLE.COM",
        "http://127.0.0.1.example.com",
        "\nhttp://localhost",
    ],
)
def test_foreign_origins(origin: str) -> None:
    assert not allowed(origin)


def test_setting_adds_origins() -> None:
    setting = "https://chat.example, https://*.team.example"
    assert allowed("https://chat.example", setting)
    assert allowed("https://a.team.example", setting)
    assert not allowed("https://team.example", setting)
    assert not allowed("http://chat.example", setting)
    assert allowed("https://anything.example", "*")
