"""``/api/generate`` and ``/api/chat``."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.api.http.body import json_body, request_body
from puna.api.http.responses import json_response, ndjson_response, until_gone
from puna.api.ollama.schemas import ChatBody, GenerateBody, GenerationBody
from puna.api.ollama.translate import (
    chat_request,
    finished_body,
    generate_request,
    logprobs_body,
    options_of,
    tool_call_body,
)
from puna.api.services import Services, ServicesDep, caller_of, keep_alive_seconds, warn_of_unknown
from puna.inference.events import Delta, Event, Finished
from puna.inference.generate import Started, generate, load, render
from puna.inference.requests import GenerationRequest, ToolCall
from puna.models.model import Model

router = APIRouter()
_NOTHING, _GOING_ON = Delta(), {"done": False}


@router.post("/api/generate", tags=["generate"], openapi_extra=request_body(GenerateBody))
async def generate_route(
    request: Request, body: Annotated[GenerateBody, Depends(json_body(GenerateBody))], services: ServicesDep
) -> Response:
    """Answer a prompt."""
    model = services.model(body.model)
    if not body.prompt:
        return await until_gone(request, _load_or_unload(request, services, model, body, {"response": ""}))
    asked = generate_request(model, body, options_of(services.option_defaults, model, body))
    return await _answer(request, services, asked, body, _Shape(body, _generate_fields))


@router.post("/api/chat", tags=["generate"], openapi_extra=request_body(ChatBody))
async def chat_route(
    request: Request, body: Annotated[ChatBody, Depends(json_body(ChatBody))], services: ServicesDep
) -> Response:
    """Answer the last message of a conversation."""
    model = services.model(body.model)
    if not body.messages:
        empty = {"message": {"role": "assistant", "content": ""}}
        return await until_gone(request, _load_or_unload(request, services, model, body, empty))
    asked = chat_request(model, body, options_of(services.option_defaults, model, body))
    return await _answer(request, services, asked, body, _Shape(body, _chat_fields))


def _generate_fields(answer: Delta, _calls: list[dict[str, Any]]) -> dict[str, Any]:
    body: dict[str, Any] = {"response": answer.content}
    if answer.thinking:
        body["thinking"] = answer.thinking
    return body


def _chat_fields(answer: Delta, calls: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.content}
    if answer.thinking:
        message["thinking"] = answer.thinking
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


_Fields = Callable[[Delta, list[dict[str, Any]]], dict[str, Any]]
"""Makes the fields of an answer, or of a piece of one, from it and its calls as Ollama writes them."""


class _Shape:
    """Makes the objects of one response. The fields of the answer itself are what the two routes differ in."""

    def __init__(self, body: GenerationBody, fields: _Fields) -> None:
        self._model = body.model
        self._top_logprobs = body.top_logprobs
        self._fields = fields
        self._started = time.perf_counter_ns()
        self._load_duration = 0
        self._calls = 0

    def piece(self, answer: Delta, end: Mapping[str, Any]) -> dict[str, Any]:
        """Return one object: the fields that all have, the answer's, then ``end``."""
        calls = self._numbered(answer.tool_calls) if answer.tool_calls else []
        body = {"model": self._model, "created_at": datetime.now(UTC), **self._fields(answer, calls)}
        if answer.logprobs:
            body["logprobs"] = logprobs_body(answer.logprobs, self._top_logprobs)
        body.update(end)
        return body

    def objects(self, batch: list[Event | Started]) -> list[dict[str, Any]]:
        """Return the objects of a stream that say what happened."""
        objects = []
        for event in batch:
            if isinstance(event, Delta):
                objects.append(self.piece(event, _GOING_ON))
            elif isinstance(event, Started):
                self.started(event)
            else:
                objects.append(self.piece(_NOTHING, self.end(event)))
        return objects

    def started(self, event: Started) -> None:
        """Note how long loading took."""
        self._load_duration = event.load_duration

    def end(self, event: Finished) -> dict[str, Any]:
        """Return the fields that only the last object has."""
        return finished_body(event, time.perf_counter_ns() - self._started, self._load_duration)

    def _numbered(self, calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
        first = self._calls
        self._calls += len(calls)
        return [tool_call_body(call, first + index) for index, call in enumerate(calls)]


async def _answer(
    request: Request, services: Services, asked: GenerationRequest, body: GenerationBody, shape: _Shape
) -> Response:
    warn_of_unknown(asked.options, request.url.path)
    keep_alive = keep_alive_seconds(body.keep_alive)
    caller = caller_of(request, body.priority)
    if body.debug_render_only:
        rendered = await until_gone(request, render(services.scheduler, asked, keep_alive, caller))
        info: dict[str, Any] = {"rendered_template": rendered.prompt}
        info |= {"image_count": rendered.images} if rendered.images else {}
        return json_response(shape.piece(_NOTHING, {"done": False, "_debug_info": info}))
    events = generate(services.scheduler, asked, keep_alive, caller)
    if not body.stream:
        return json_response(await until_gone(request, _collect(events, shape)))
    try:
        # What fails before the first piece of the answer has a status of its own.
        first = [await until_gone(request, anext(events)), await until_gone(request, anext(events))]
    except BaseException:
        await events.aclose()
        raise
    return ndjson_response(request, first, events, shape.objects)


async def _collect(events: AsyncGenerator[list[Event | Started], None], shape: _Shape) -> dict[str, Any]:
    pieces: list[Delta] = []
    end: dict[str, Any] = {}
    async with aclosing(events):
        async for batch in events:
            for event in batch:
                if isinstance(event, Delta):
                    pieces.append(event)
                elif isinstance(event, Started):
                    shape.started(event)
                else:
                    end = shape.end(event)
    whole = Delta(
        content="".join(piece.content for piece in pieces),
        thinking="".join(piece.thinking for piece in pieces),
        tool_calls=tuple(call for piece in pieces for call in piece.tool_calls),
        logprobs=tuple(entry for piece in pieces for entry in piece.logprobs),
    )
    return shape.piece(whole, end)


async def _load_or_unload(
    request: Request, services: Services, model: Model, body: GenerationBody, empty: dict[str, Any]
) -> Response:
    """Answer a request without a prompt: it loads the model, or unloads it with ``keep_alive`` 0."""
    keep_alive = keep_alive_seconds(body.keep_alive)
    if keep_alive == 0:
        await services.scheduler.unload(model)
        reason = "unload"
    else:
        options = options_of(services.option_defaults, model, body)
        await load(services.scheduler, model, options.runner, keep_alive, caller_of(request, body.priority))
        reason = "load"
    return json_response(
        {"model": body.model, "created_at": datetime.now(UTC)} | empty | {"done": True, "done_reason": reason}
    )
