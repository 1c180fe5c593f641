"""The gate: what it does with each kind of connection."""

import asyncio
import base64
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from puna.accounts.accounts import Accounts
from puna.api.access.gate import Gate
from puna.api.access.identity import IDENTITY
from puna.api.access.scopes import ScopeTable
from puna.settings import Settings

RIGHT = (b"authorization", b"Basic " + base64.b64encode(b"ada:secret"))
LOCAL = (b"host", b"localhost")


def passed(kind: str, *headers: tuple[bytes, bytes]) -> tuple[list[Scope], list[Message]]:
    """Return what got through the gate, and what it answered itself."""
    inside: list[Scope] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inside.append(scope)

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    settings = Settings.from_env({"OLLAMA_BASIC_AUTH": "ada:secret"})
    gate = Gate(app, settings, Accounts(settings.home), ScopeTable([], {}))
    scope: dict[str, Any] = {"type": kind, "headers": headers, "client": ("127.0.0.1", 1)}
    asyncio.run(gate(scope, receive, send))
    return inside, sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_who_may_come_in_has_an_identity(kind: str) -> None:
    (scope,), sent = passed(kind, LOCAL, RIGHT)
    assert scope[IDENTITY].client == "127.0.0.1"
    assert sent == []


@pytest.mark.parametrize(
    "headers",
    [[LOCAL], [LOCAL, (b"authorization", b"Basic eDp5")], [(b"host", b"evil.example"), RIGHT], [RIGHT]],
)
@pytest.mark.parametrize("origin", ["", "https://evil.example"])
def test_socket_of_who_may_not_is_closed(headers: list[tuple[bytes, bytes]], origin: str) -> None:
    inside, (message,) = passed("websocket", *headers, *([(b"origin", origin.encode())] if origin else []))
    assert inside == []
    assert (message["type"], message["code"]) == ("websocket.close", 1008)


def test_socket_of_a_foreign_page_is_closed() -> None:
    inside, (message,) = passed("websocket", LOCAL, RIGHT, (b"origin", b"https://evil.example"))
    assert inside == []
    assert message["type"] == "websocket.close"


def test_begin_and_end_of_the_server_pass() -> None:
    assert len(passed("lifespan")[0]) == 1


def test_what_is_not_known_is_denied() -> None:
    with pytest.raises(Exception, match="'telnet'"):
        passed("telnet", LOCAL, RIGHT)
