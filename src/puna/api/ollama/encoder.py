"""The objects of ``/api/generate`` and ``/api/chat`` out of the events of an answer."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from puna.api.ollama.schemas import GenerationBody
from puna.api.ollama.translate import finished_body, logprobs_body, tool_call_body
from puna.inference.answer import Answer
from puna.inference.events import Delta, Event, Finished, Started
from puna.inference.requests import ToolCall

Fields = Callable[[Delta, list[dict[str, Any]]], dict[str, Any]]
"""Makes the fields of an answer, or of a piece of one, from it and its calls as Ollama writes them."""
DIALECT = "ollama"
_NOTHING, _GOING_ON = Delta(), {"done": False}


def generate_fields(answer: Delta, _calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of ``/api/generate``."""
    body: dict[str, Any] = {"response": answer.content}
    if answer.thinking:
        body["thinking"] = answer.thinking
    return body


def chat_fields(answer: Delta, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of ``/api/chat``."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.content}
    if answer.thinking:
        message["thinking"] = answer.thinking
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


class OllamaEncoder:
    """Makes the objects of one response. The fields of the answer itself are what the two routes differ in."""

    def __init__(self, body: GenerationBody, fields: Fields) -> None:
        self._model = body.model
        self._top_logprobs = body.top_logprobs
        self._fields = fields
        self._started = time.perf_counter_ns()
        self._load_duration = 0
        self._calls = 0

    def objects(self, batch: list[Event]) -> list[dict[str, Any]]:
        """Return the objects of a stream that say what happened."""
        objects = []
        for event in batch:
            if isinstance(event, Delta):
                objects.append(self._piece(event, _GOING_ON))
            elif isinstance(event, Started):
                self._load_duration = event.load_duration
            else:
                objects.append(self._piece(_NOTHING, self._end(event)))
        return objects

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Return the one object of an answer that is not streamed."""
        self._load_duration = answer.started.load_duration
        return self._piece(answer.said, self._end(answer.end))

    def rendered(self, prompt: str, images: int) -> dict[str, Any]:
        """Return the object of a dry run: that of an answer that has not begun, with the prompt."""
        info: dict[str, Any] = {"rendered_template": prompt} | ({"image_count": images} if images else {})
        return self._piece(_NOTHING, _GOING_ON | {"_debug_info": info})

    def without_prompt(self, reason: str) -> dict[str, Any]:
        """Return the object for a request that only loads or unloads a model."""
        return self._piece(_NOTHING, {"done": True, "done_reason": reason})

    def _piece(self, answer: Delta, end: Mapping[str, Any]) -> dict[str, Any]:
        """Return one object: the fields that all have, the answer's, then ``end``."""
        calls = self._numbered(answer.tool_calls) if answer.tool_calls else []
        body = {"model": self._model, "created_at": datetime.now(UTC), **self._fields(answer, calls)}
        if answer.logprobs:
            body["logprobs"] = logprobs_body(answer.logprobs, self._top_logprobs)
        body.update(end)
        return body

    def _end(self, event: Finished) -> dict[str, Any]:
        return finished_body(event, time.perf_counter_ns() - self._started, self._load_duration)

    def _numbered(self, calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
        first = self._calls
        self._calls += len(calls)
        return [tool_call_body(call, first + index) for index, call in enumerate(calls)]
