"""The bytes of streams: each event of a response as an event of the same name (SSE)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.types import Scope

from puna.api.errors import fault_of
from puna.api.http import sse
from puna.api.openai.responses.reply import Reply
from puna.inference.answer import Answer
from puna.inference.events import Event

DIALECT = "openai"


def event_bytes(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Return events as they are streamed."""
    return b"".join([sse.named(event["type"], event) for event in events])


class ReplyEncoder:
    """Makes a stream, or one object, of a reply that takes the events of its answer itself."""

    media_type = sse.MEDIA_TYPE

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def pieces(self, _batch: Sequence[Event]) -> bytes:
        """Return what the reply made of what happened."""
        return event_bytes(self._reply.drain())

    def whole(self, _answers: Sequence[Answer]) -> Mapping[str, Any]:
        """Return the response."""
        return self._reply.response

    def still(self) -> bytes:
        """Return a comment, which clients pass over."""
        return sse.COMMENT

    def failed(self, _scope: Scope, error: Exception) -> bytes:
        """Return the events that end a stream which an error breaks off."""
        if not self._reply.is_over:
            self._reply.fail(fault_of(error))
        return event_bytes(self._reply.drain())


class EventsEncoder:
    """Makes a stream of events that somebody else has made."""

    media_type = sse.MEDIA_TYPE

    def pieces(self, batch: Iterable[Mapping[str, Any]]) -> bytes:
        """Return the events as they are streamed."""
        return event_bytes(batch)

    def still(self) -> bytes:
        """Return a comment, which clients pass over."""
        return sse.COMMENT

    def failed(self, _scope: Scope, error: Exception) -> bytes:
        """Return the event that ends a stream which an error breaks off."""
        fault = fault_of(error)
        return event_bytes([{"type": "error", "code": fault.code, "message": fault.message, "param": None}])
