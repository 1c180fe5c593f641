"""The Responses API over a WebSocket, as Codex and the official client speak it.

A client sends ``response.create`` with the fields of a body, and is sent the events of the response, one a message. The
responses of one connection are made one after another. What was said up to the last of them is remembered as long as
the connection lasts, so that ``previous_response_id`` works with ``store: false``.
"""

import asyncio
import logging
import secrets
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from puna.accounts.grant import INFER
from puna.api.access.identity import IDENTITY, Identity
from puna.api.access.scopes import needs
from puna.api.dialect import OPENAI
from puna.api.errors import fault_of
from puna.api.http.body import validated_in_turns
from puna.api.http.request_id import REQUEST_ID
from puna.api.http.responses import json_bytes
from puna.api.openai.responses.begin import Begun, Items, begin, caller, spoken
from puna.api.openai.responses.reply import Events
from puna.api.openai.responses.schemas import SocketBody
from puna.api.services import Services, keep_alive_seconds
from puna.api.watching.taking import Taking
from puna.api.watching.watchers import turn_watchers
from puna.errors import BadRequestError, UnavailableError
from puna.outside import read_json

router = APIRouter()
_MOST_WAITING = 16
_OF_SOCKETS = {"type", "generate", "stream", "stream_id", "previous_response_id", "conversation"}
"""Fields that a response over a socket has, and that do not belong to a request of its own."""
_INTERNAL_ERROR = 1011
"""Why a socket is closed (RFC 6455)."""
_log = logging.getLogger(__name__)


@router.websocket("/responses")
@needs(INFER)
async def responses_socket(socket: WebSocket) -> None:
    """Answer what comes over one connection."""
    await socket.accept()
    await _Session(socket).serve()


class _Session:
    """One connection."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._identity: Identity = socket.scope[IDENTITY]
        self._services: Services = socket.app.state.services.seen_by(self._identity)
        self._waiting: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._said: dict[str, Items] = {}
        self._size = 0
        """Bytes of the messages that ``_said`` was said in."""

    async def serve(self) -> None:
        """Answer until the client goes away, which ends what is being made for it."""
        reader, worker = asyncio.ensure_future(self._read()), asyncio.ensure_future(self._work())
        try:
            await asyncio.wait({reader, worker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            worker.cancel()
            failures = await asyncio.gather(reader, worker, return_exceptions=True)
        for failure in failures:
            if isinstance(failure, Exception) and not isinstance(failure, WebSocketDisconnect):
                _log.error("unexpected error", exc_info=failure)
                await self._socket.close(_INTERNAL_ERROR)

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text") or message.get("bytes") or b""
            if self._waiting.qsize() < _MOST_WAITING:
                self._waiting.put_nowait(text)
            else:
                await self._refuse(UnavailableError("too many responses are asked for over this connection"), text)

    async def _work(self) -> None:
        while True:
            text = await self._waiting.get()
            try:
                await self._answer(text.encode() if isinstance(text, str) else text)
            except WebSocketDisconnect:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and may go on
                await self._refuse(error, text)

    async def _answer(self, text: bytes) -> None:
        body = await validated_in_turns(SocketBody, [text], self._socket.url.path)
        match body.type:
            case "response.create":
                said, self._said = self._said, {}  # as with OpenAI, a turn that fails cannot be gone on from
                before = self._size if body.previous_response_id in said else 0
                await self._counted(body, said)
                self._size = before + len(text)
                if self._size > self._services.settings.max_body:  # what no request could ask with as a whole
                    self._said = {}
            case "response.processed":  # Codex says what it has read to its end
                pass
            case "response.steer":
                raise BadRequestError("response.steer: a response is not changed once it has begun", param="type")
            case kind:
                raise BadRequestError(f'nothing is known of events of the type "{kind[:80]}"', param="type")

    async def _counted(self, body: SocketBody, said: dict[str, Items]) -> None:
        """Make a response as a request of the key that opened the socket, as that key is now.

        ``said`` is what was said up to the response before.
        """
        key = self._identity.key
        if key is None:
            await self._create(body, said, self._services)
            return
        with self._services.accounts.admitted(key.owner, self._socket.url.path, key.id) as now:
            identity = replace(self._identity, key=now)
            self._socket.scope[IDENTITY] = identity
            await self._create(body, said, self._services.seen_by(identity))

    async def _create(self, body: SocketBody, said: dict[str, Items], services: Services) -> None:
        if body.background:
            raise BadRequestError("background: not over a socket, whose end is the response's", param="background")
        self._socket.scope[REQUEST_ID] = secrets.token_hex(8)
        taking = Taking.of({**self._socket.scope, "method": "POST"}) if services.settings.record else None
        watchers = turn_watchers(self._socket.scope)
        told = services.service.told((*watchers, *((taking,) if taking else ())))
        services = replace(services, service=told)
        begun = await begin(self._socket, services, body, said)
        if taking:  # a request of its own, with all that was said before it over this connection
            items = [*begun.prompt.earlier, *begun.prompt.given]
            taking.hear(json_bytes({**body.model_dump(exclude=_OF_SOCKETS, exclude_unset=True), "input": items}))
            taking.status = HTTPStatus.OK
        if body.generate:
            async for events in begun.made.make():
                await self._send(events, body.stream_id)
        else:
            await self._prepare(begun, body, services)
        if taking and taking.record:
            services.recordings.keep(taking.recording())
        response, prompt = begun.made.response, begun.prompt
        self._said = {str(response["id"]): [*prompt.earlier, *spoken(prompt.given, response)]}

    async def _prepare(self, begun: Begun, body: SocketBody, services: Services) -> None:
        """Bring the model into memory and count the prompt, for a response that says nothing."""
        request, keep_alive = begun.prompt.asked.request, keep_alive_seconds(body.keep_alive)
        tokens = await services.service.count(request, caller(self._socket, body), keep_alive)
        begun.made.reply.say_nothing(tokens)
        await begun.made.keep()
        await self._send(begun.made.reply.drain(), body.stream_id)

    async def _send(self, events: Events, stream_id: str) -> None:
        for event in events:
            told = event | {"stream_id": stream_id} if stream_id else event
            await self._socket.send_text(json_bytes(told).decode())

    async def _refuse(self, error: Exception, text: str | bytes) -> None:
        """Tell what is wrong with a message."""
        fault = fault_of(error)
        body: dict[str, Any] = {"type": "error", "status": fault.status, **OPENAI.body(fault, "")}
        await self._send([body], await asyncio.to_thread(_stream_id, text))


def _stream_id(text: str | bytes) -> str:
    """Return the name of the stream that a message is of, "" for none, whatever else is wrong with it."""
    try:
        message = read_json(text.encode() if isinstance(text, str) else text)
    except orjson.JSONDecodeError:
        return ""
    name = message.get("stream_id") if isinstance(message, dict) else None
    return name if isinstance(name, str) else ""
