"""The objects of ``/api/generate`` and ``/api/chat`` out of the events of an answer."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.types import Scope

from puna.api.dialect import error_piece
from puna.api.http.responses import json_lines
from puna.api.ollama.schemas import GenerationBody
from puna.api.ollama.translate import finished_body, logprobs_body, tool_call_body
from puna.inference.answer import Answer, Calls
from puna.inference.events import CallArguments, CallStarted, Event, Finished, Logprob, Started, Text, Thought
from puna.inference.requests import ToolCall

Fields = Callable[[str, str, list[dict[str, Any]]], dict[str, Any]]
"""Makes the fields of an answer, or of a piece of one, from its text, its thinking and its calls as Ollama has them."""
DIALECT = "ollama"
_GOING_ON = {"done": False}


def generate_fields(text: str, thinking: str, _calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of ``/api/generate``."""
    body: dict[str, Any] = {"response": text}
    if thinking:
        body["thinking"] = thinking
    return body


def chat_fields(text: str, thinking: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of ``/api/chat``."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


class OllamaEncoder:
    """Makes the objects of one response. The fields of the answer itself are what the two routes differ in.

    Calls go out whole; what there is of one when the answer is cut off is text.
    """

    media_type = "application/x-ndjson"

    def __init__(self, body: GenerationBody, fields: Fields) -> None:
        self._model = body.model
        self._top_logprobs = body.top_logprobs
        self._fields = fields
        self._started = time.perf_counter_ns()
        self._load_duration = 0
        self._calls = Calls()
        self._called = 0

    def pieces(self, batch: Sequence[Event]) -> bytes:
        """Return the lines of a stream that say what happened."""
        objects: list[dict[str, Any]] = []
        for event in batch:
            if isinstance(event, Text):
                objects.append(self._piece(event.text, logprobs=event.logprobs))
            elif isinstance(event, Thought):
                objects.append(self._piece(thinking=event.text, logprobs=event.logprobs))
            elif isinstance(event, CallStarted | CallArguments):
                objects += self._call(event)
            elif isinstance(event, Finished):
                if cut := "\n".join(call.text for call in self._calls.all()):
                    objects.append(self._piece(cut))
                objects.append(self._piece(end=self._end(event)))
            elif isinstance(event, Started):
                self._load_duration = event.load_duration
        return json_lines(objects)

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the one object of an answer that is not streamed."""
        answer = answers[0]
        self._load_duration = answer.started.load_duration
        calls = [(call, call.complete) for call in answer.calls]
        cut = "\n".join(call.text for call, whole in calls if whole is None)
        return self._piece(
            answer.text + cut,
            answer.thinking,
            [whole for _, whole in calls if whole],
            answer.logprobs,
            self._end(answer.end),
        )

    def still(self) -> bytes:
        """Return nothing: clients take every line for a piece of the answer."""
        return b""

    def failed(self, scope: Scope, error: Exception) -> bytes:
        """Return the last line of a stream that an error breaks off."""
        return error_piece(scope, error)

    def rendered(self, prompt: str, images: int) -> dict[str, Any]:
        """Return the object of a dry run: that of an answer that has not begun, with the prompt."""
        info: dict[str, Any] = {"rendered_template": prompt} | ({"image_count": images} if images else {})
        return self._piece(end=_GOING_ON | {"_debug_info": info})

    def without_prompt(self, reason: str) -> dict[str, Any]:
        """Return the object for a request that only loads or unloads a model."""
        return self._piece(end={"done": True, "done_reason": reason})

    def _call(self, event: CallStarted | CallArguments) -> list[dict[str, Any]]:
        call = None
        if isinstance(event, CallStarted):
            self._calls.start(event)
        else:
            call = self._calls.take(event)
        if call or event.logprobs:
            return [self._piece(calls=[call] if call else [], logprobs=event.logprobs)]
        return []

    def _piece(
        self,
        text: str = "",
        thinking: str = "",
        calls: Sequence[ToolCall] = (),
        logprobs: tuple[Logprob, ...] = (),
        end: Mapping[str, Any] = _GOING_ON,
    ) -> dict[str, Any]:
        """Return one object: the fields that all have, the answer's, then ``end``."""
        numbered = self._numbered(calls) if calls else []
        body = {"model": self._model, "created_at": datetime.now(UTC), **self._fields(text, thinking, numbered)}
        if logprobs:
            body["logprobs"] = logprobs_body(logprobs, self._top_logprobs)
        body.update(end)
        return body

    def _end(self, event: Finished) -> dict[str, Any]:
        return finished_body(event, time.perf_counter_ns() - self._started, self._load_duration)

    def _numbered(self, calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
        first = self._called
        self._called += len(calls)
        return [tool_call_body(call, first + index) for index, call in enumerate(calls)]
