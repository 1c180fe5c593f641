"""Serve's proxy reads what clients send as a server of one machine does."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from puna.cluster.front import middlewares

HOST = b"Host: localhost\r\n"


async def tells(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked, and who asked."""
    body = (await Request(scope, receive).body()).decode()
    await JSONResponse({"type": scope["type"], "body": body, "client": scope["client"][0]})(scope, receive, send)


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A uvicorn as Serve makes it after it has asked for the middlewares."""
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", uvicorn.config.HTTP_PROTOCOLS["auto"])
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    monkeypatch.setenv("PUNA_CLIENT_TIMEOUT", "1s")
    middlewares()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(tells, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve([listener]))
    yield int(listener.getsockname()[1])
    server.should_exit = True
    await serving


async def ask(port: int, data: bytes) -> bytes:
    """Return all that comes back for some bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 33_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: ", 408),
    ],
)
async def test_a_head_that_is_not_taken(port: int, head: bytes, status: int) -> None:
    assert (await ask(port, head)).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_a_request_for_another_protocol_is_one_for_http(port: int, protocol: bytes) -> None:
    fields = HOST + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\nContent-Length: 2\r\n\r\n{}"
    last = b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    answer = await ask(port, b"POST /api/show HTTP/1.1\r\n" + fields + last)
    first = json.loads(answer.split(b"\r\n\r\n")[1].partition(b"HTTP/1.1")[0])
    assert (first["type"], first["body"]) == ("http", "{}")


async def test_a_client_is_not_who_it_says_it_is(port: int) -> None:
    head = b"GET / HTTP/1.1\r\nConnection: close\r\nX-Forwarded-For: 1.1.1.1\r\n" + HOST + b"\r\n"
    head, _, body = (await ask(port, head)).partition(b"\r\n\r\n")
    assert json.loads(body)["client"] == "127.0.0.1"
    assert b"server:" not in head.lower()
