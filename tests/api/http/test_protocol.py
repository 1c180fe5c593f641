"""One connection: what goes out together, and what at once."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config

from puna.api.http.connections import Connections
from puna.api.http.protocol import Protocol

REQUEST = b"%b / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Sent(asyncio.Transport):
    """Takes note of what is sent by one call of the system."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.parts.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.parts.append(b"".join(list_of_data))

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def sent_by(app: ASGIApp, request: bytes = REQUEST % b"GET", seconds: float = 0.05) -> Sent:
    """Return what has been sent after so many seconds."""
    transport = Sent()
    protocol = Protocol(config=Config(app, lifespan="off"), server_state=Connections(8), app_state={})
    protocol.connection_made(transport)
    protocol.data_received(request)
    await asyncio.sleep(seconds)
    protocol.connection_lost(ConnectionResetError())
    return transport


@pytest.mark.parametrize("close", [False, True])
async def test_a_body_that_is_there_goes_out_with_its_head(close: bool) -> None:
    sent = await sent_by(Response(b"body", headers={"Connection": "close"} if close else None))
    assert [part.split(b"\r\n\r\n")[1] for part in sent.parts] == [b"body"]
    assert sent.closed is close


@pytest.mark.parametrize(
    ("app", "request_"), [(Response(b"body"), REQUEST % b"HEAD"), (Response(status_code=204), REQUEST % b"GET")]
)
async def test_a_head_without_a_body_goes_out(app: ASGIApp, request_: bytes) -> None:
    sent = await sent_by(app, request_)
    assert b"".join(sent.parts).endswith(b"\r\n\r\n")
    assert b"".join(sent.parts).count(b"HTTP/1.1 20") == 1


async def test_a_head_does_not_wait_for_a_body_that_is_to_come() -> None:
    async def pieces() -> Any:
        yield b"one"
        await asyncio.sleep(0.02)
        yield b"two"

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.02)
        await StreamingResponse(pieces()).stream_response(passed(send))

    def passed(send: Send) -> Send:
        async def pass_on(message: Any) -> None:
            if message["type"] != "http.response.start":
                await send(message)

        return pass_on

    sent = await sent_by(late, seconds=0.2)
    head, *rest = sent.parts
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")
    assert rest == [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]


async def test_requests_that_come_together_are_answered_in_turn() -> None:
    sent = await sent_by(Response(b"body"), REQUEST % b"GET" * 3)
    assert [part.partition(b" ")[0] for part in sent.parts] == [b"HTTP/1.1"] * 3


async def test_a_client_that_goes_before_its_answer_is_sent_nothing() -> None:
    async def answers(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        transport.close()
        await asyncio.sleep(0.02)

    transport = Sent()
    protocol = Protocol(config=Config(answers, lifespan="off"), server_state=Connections(8), app_state={})
    protocol.connection_made(transport)
    protocol.data_received(REQUEST % b"GET")
    await asyncio.sleep(0.01)
    assert transport.parts == []
    protocol.connection_lost(None)
    await asyncio.sleep(0.03)
