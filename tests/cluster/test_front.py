"""What clients see of an ingress that dies: an answer of another one, or a stream that ends with an error."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from puna.cluster.front import Front

Ingress = Callable[[Scope, Receive, Send], Awaitable[None]]


async def dies(_scope: Scope, receive: Receive, _send: Send) -> None:
    """Read what is asked, and say nothing."""
    await receive()


async def echoes(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(await Request(scope, receive).body())(scope, receive, send)


def dies_after(*pieces: bytes, media_type: str = "application/x-ndjson") -> Ingress:
    async def ingress(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(media_type))
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    return ingress


def start(media_type: str) -> Message:
    headers = [(b"content-type", media_type.encode())]
    return {"type": "http.response.start", "status": 200, "headers": headers}


class Asked:
    """One request, and what its client is sent."""

    def __init__(self, path: str, *ingresses: Ingress, method: str = "POST") -> None:
        self.left = list(ingresses)
        self.sent: list[Message] = []
        self.bodies = [b'{"model": ', b'"cria"}']
        self.scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}

    async def run(self) -> "Asked":
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self.left.pop(0)(scope, receive, send)

        async def receive() -> Message:
            if self.bodies:
                return {"type": "http.request", "body": self.bodies.pop(0), "more_body": bool(self.bodies)}
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            self.sent.append(message)

        await Front(app)(self.scope, receive, send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        assert not self.sent[-1].get("more_body", False), "it has no end"
        return b"".join(message.get("body", b"") for message in self.sent)


async def test_what_had_not_begun_is_asked_of_another_with_all_of_its_body() -> None:
    asked = await Asked("/api/chat", dies, dies_after(), echoes).run()
    assert (asked.status, asked.body) == (200, b'{"model": "cria"}')
    assert [message["type"] for message in asked.sent].count("http.response.start") == 1


async def test_what_none_answers_ends_with_an_error() -> None:
    asked = await Asked("/v1/chat/completions", *[dies] * 9).run()
    assert (asked.status, json.loads(asked.body)["error"]["message"]) == (
        503,
        "the process that answered the request was lost",
    )
    assert len(asked.left) == 6


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/batches"), ("DELETE", "/api/delete"), ("POST", "/api/copy")]
)
async def test_what_changes_something_is_asked_once(method: str, path: str) -> None:
    asked = await Asked(path, dies, echoes, method=method).run()
    assert (asked.status, len(asked.left)) == (503, 1)


async def test_a_body_that_is_too_long_to_be_kept_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.cluster.front._MOST_KEPT", 12)

    async def reads(scope: Scope, receive: Receive, _send: Send) -> None:
        assert await Request(scope, receive).body() == b'{"model": "cria"}'

    asked = await Asked("/api/chat", reads, echoes).run()
    assert (asked.status, len(asked.left)) == (503, 1)


@pytest.mark.parametrize(
    ("path", "media_type", "last"),
    [
        ("/api/chat", "application/x-ndjson", b'{"error":"the process that answered the request was lost"}\n'),
        ("/v1/chat/completions", "text/event-stream; charset=utf-8", b'data: {"error":{"message":"the process'),
        ("/v1/messages", "text/event-stream", b'event: error\ndata: {"type":"error","error":{"type":"overloaded_'),
    ],
)
async def test_a_stream_that_had_begun_ends_in_the_words_of_its_dialect(
    path: str, media_type: str, last: bytes
) -> None:
    asked = await Asked(path, dies_after(b"one\n", media_type=media_type), echoes).run()
    assert asked.body.startswith(b"one\n" + last)
    assert len(asked.left) == 1, "it was asked for again"


async def test_an_answer_of_known_length_breaks_off() -> None:
    asked = await Asked("/api/chat", dies_after(b"{", media_type="application/json"), echoes).run()
    assert (asked.sent[-1]["body"], asked.sent[-1]["more_body"], len(asked.left)) == (b"{", True, 1)


async def test_a_client_that_goes_is_not_answered_again() -> None:
    async def waits(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/chat", "headers": []}
    await Front(waits)(scope, receive, send)
    assert sent == []


async def test_an_answer_passes_as_it_is() -> None:
    async def streams(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(iter([b"a", b"b"]), media_type="text/event-stream")(scope, receive, send)

    asked = await Asked("/api/chat", streams).run()
    assert [message.get("body") for message in asked.sent] == [None, b"a", b"b", b""]


async def test_a_request_has_one_name_though_the_proxy_adds_another() -> None:
    first, vary = (b"x-request-id", b"mine"), (b"vary", b"a")

    async def named(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [first, vary, first, vary]})
        await send({"type": "http.response.body", "body": b""})

    asked = await Asked("/api/version", named, method="GET").run()
    assert asked.sent[0]["headers"] == [first, vary, vary]
