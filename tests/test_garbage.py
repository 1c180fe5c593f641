"""What is left for a look for garbage, and how often a large request is looked through while it is made."""

import asyncio
import gc
import json
import subprocess
import sys
import weakref
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from puna.api.http.direct import Direct
from puna.api.http.faults import Faults
from puna.api.http.responses import ndjson_response, until_gone
from puna.errors import BadRequestError

CHAT = """
import gc, json, sys
import orjson
from puna import garbage
from puna.api.http.body import validated
from puna.api.ollama.schemas import ChatBody
from puna.api.ollama.translate import message_of

looks = []
gc.callbacks.append(lambda phase, about: looks.append(about["generation"]) if phase == "stop" else None)
gc.disable()
garbage.settle()
assert gc.isenabled()
data = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "a"}] * 20_000})
looks.clear()
body = validated(ChatBody, data, "/api/chat")
made = list(looks)
messages = [message_of(message) for message in body.messages]
print(json.dumps([made, looks, gc.isenabled()]))
"""


def test_a_large_request_is_seldom_looked_through() -> None:
    output = subprocess.run([sys.executable, "-c", CHAT], capture_output=True, text=True, check=True)
    made, looks, collects = json.loads(output.stdout)
    assert len(made) <= 1  # when all of it is there
    assert sum(generation > 0 for generation in looks) <= 2
    assert 2 not in looks
    assert len(looks) <= 40
    assert collects


class Body:
    """Something that a request is made of."""


async def told(scope: Scope, receive: Receive, send: Send, bodies: list[weakref.ref[Body]]) -> None:
    """Fail in a task, as an answer does, before anything of it is sent."""
    body = Body()
    bodies.append(weakref.ref(body))

    async def work() -> None:
        raise BadRequestError(f"no {body}")

    try:
        await until_gone(Request(scope, receive), work())
    except BadRequestError as error:
        raise BadRequestError("again") from error


async def streamed(scope: Scope, receive: Receive, send: Send, bodies: list[weakref.ref[Body]]) -> None:
    """Fail in a task when a piece has been sent."""
    body = Body()
    bodies.append(weakref.ref(body))

    async def work() -> None:
        raise BadRequestError(f"no {body}")

    async def batches() -> AsyncGenerator[list[dict[str, Any]], None]:
        task = asyncio.create_task(work())
        yield [{"a": 1}]
        await task

    await ndjson_response(Request(scope, receive), [], batches(), lambda batch: batch)(scope, receive, send)


@pytest.mark.parametrize("app", [told, streamed])
async def test_an_error_that_was_told_holds_no_request(app: Any) -> None:
    bodies: list[weakref.ref[Body]] = []
    sent: list[Message] = []

    async def never() -> Message:
        return await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send, bodies)

    gc.disable()
    try:
        await Direct(Faults(failing))(
            {"type": "http", "method": "POST", "path": "/api/chat", "headers": []}, never, send
        )
        await asyncio.sleep(0)
        assert b"error" in b"".join(message.get("body", b"") for message in sent)
        assert [body() for body in bodies] == [None]
    finally:
        gc.enable()
