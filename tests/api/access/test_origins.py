"""Which origins may call."""

import re

import pytest

from puna.api.access.origins import origin_pattern
from puna.settings import Settings


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
