"""Requests of batches, answered by the very routes that they name, without a connection."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ExceptionHandler, Message, Scope

from puna.accounts.accounts import Accounts
from puna.accounts.errors import KeyForbidsError
from puna.accounts.grant import INFER
from puna.accounts.keys import Key
from puna.api.access.identity import IDENTITY, Identity
from puna.api.batching import PREFIX
from puna.api.dialect import error_body
from puna.api.http.direct import DIRECT
from puna.api.http.faults import Faults
from puna.api.http.request_id import REQUEST_ID
from puna.errors import BadRequestError, PunaError
from puna.jobs.batches import Answered
from puna.jobs.batches_items import BatchItem, Usage

_LATER = ("stream", "background")
"""What an answer that lies in a file cannot be."""


class ItemRoutes:
    """Answers items by routes of ``app``, as requests of the batch class from whoever made the batch."""

    def __init__(self, app: FastAPI) -> None:
        self._of = app
        self._routes: FastAPI | None = None

    async def __call__(self, item: BatchItem, line: bytes) -> Answered:
        """Return the answer to an item, errors included."""
        request_id = secrets.token_hex(8)
        scope = _scope(item, request_id)
        try:
            body = _body(item, line)
            with self._let_in(item) as key:
                scope[IDENTITY] = Identity(item.batch, remote=True, key=key)
                status, answer = await self._answered(scope, body)
        except PunaError as error:
            status, answer = error.status, error_body(scope, error)
        return Answered(status, request_id, answer, _usage(answer))

    @contextmanager
    def _let_in(self, item: BatchItem) -> Iterator[Key | None]:
        """Give the key that a batch was made with, as it is now, and count a request of it; raise ``PunaError``."""
        if not item.owner:
            yield None
            return
        accounts: Accounts = self._of.state.accounts
        key = accounts.named(item.owner)
        if key is None:
            raise KeyForbidsError("the key that made this batch is not valid any more")
        if not (key.grant.may(INFER) and key.grant.may_call(item.endpoint)):
            raise KeyForbidsError("the key that made this batch may not use this route")
        meter = accounts.meter(key)
        meter.begin(key.grant)
        try:
            yield key
        finally:
            meter.end()

    async def _answered(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        status, parts, given = 0, bytearray(), [body]

        async def receive() -> Message:
            if given:
                return {"type": "http.request", "body": given.pop()}
            return await asyncio.Future()  # nobody goes away

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.extend(message.get("body", b""))

        scope[DIRECT] = send
        await self._ready()(scope, receive, send)
        return status, bytes(parts)

    def _ready(self) -> FastAPI:
        """Return an application of these routes alone, without the gate, which their caller has passed."""
        if self._routes is None:
            from puna.api.anthropic import messages
            from puna.api.openai import chat, completions, embeddings
            from puna.api.openai.responses import responses

            handlers: Mapping[Any, ExceptionHandler] = self._of.exception_handlers
            kept = {kind: handlers[kind] for kind in (HTTPException, RequestValidationError)}
            self._routes = FastAPI(openapi_url=None, exception_handlers=kept)  # type: ignore[arg-type]
            self._routes.state = self._of.state
            for part in (chat, completions, embeddings, responses):
                self._routes.include_router(part.router, prefix=PREFIX)
            self._routes.include_router(messages.router)
            self._routes.add_middleware(Faults)
        return self._routes


def _scope(item: BatchItem, request_id: str) -> MutableMapping[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": item.endpoint,
        "raw_path": item.endpoint.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json")],
        "client": None,
        "server": None,
        REQUEST_ID: request_id,
    }


def _body(item: BatchItem, line: bytes) -> bytes:
    """Return the body of an item's request; raise ``BadRequestError`` for one that its batch does not take."""
    asked: dict[str, Any] = orjson.loads(line)  # it was read so before the batch began
    if asked.get("method", "POST") != "POST":
        raise BadRequestError("method must be POST", param="method")
    if asked.get("url") != item.endpoint:
        raise BadRequestError(f"url must be {item.endpoint}, the endpoint of the batch", param="url")
    body = asked.get("body")
    if not isinstance(body, dict):
        raise BadRequestError("body must be an object", param="body")
    for name in _LATER:
        if body.get(name):
            raise BadRequestError(f"{name} has no place in a batch", param=name)
    try:
        return orjson.dumps(body | {"priority": "batch"})
    except orjson.JSONEncodeError:
        raise BadRequestError("the body is nested too deep", param="body") from None


def _usage(answer: bytes) -> Usage:
    """Return what an answer says that it took, in the words of whichever of these routes."""
    found = orjson.loads(answer).get("usage") or {}
    if "input_tokens" in found:
        given, said = found.get("input_tokens_details") or {}, found.get("output_tokens_details") or {}
        prompt, answered = found["input_tokens"], found["output_tokens"]
    else:
        given, said = found.get("prompt_tokens_details") or {}, found.get("completion_tokens_details") or {}
        prompt, answered = found.get("prompt_tokens", 0), found.get("completion_tokens", 0)
    return Usage(prompt, given.get("cached_tokens", 0), answered, said.get("reasoning_tokens", 0))
