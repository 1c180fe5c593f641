"""From the events of an answer to the items of a response, and to the events that tell of them, in order and numbered.

The order is that of OpenAI's documentation: an item is added, its part begins, grows and ends, and the item is done
before the next one is added.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from puna.api.errors import Fault
from puna.api.openai.responses.objects import (
    CANCELLED,
    DONE,
    FAILED,
    INCOMPLETE,
    QUEUED,
    RUNNING,
    error_of,
    usage_of,
)
from puna.api.openai.responses.parts import CallItem, MessageItem, OpenItem, ReasoningItem
from puna.api.openai.responses.tools import Tools
from puna.inference.events import CallArguments, CallStarted, Event, Finished, Logprob, Started, Text, Thought

Events = list[dict[str, Any]]


class Reply:
    """One response while it is made. ``response`` is its object, ``drain`` gives the events since the last time.

    ``summary``: thoughts are told as a summary. ``seal`` makes of thoughts what the client cannot read, if it wants
    that.
    """

    def __init__(
        self,
        response: dict[str, Any],
        tools: Tools,
        *,
        summary: bool = False,
        seal: Callable[[str], str] | None = None,
        top_logprobs: int = 0,
    ) -> None:
        self.response = response
        self._tools = tools
        self._summary = summary
        self._seal = seal
        self._top = top_logprobs
        self._events: Events = []
        self._number = 0
        self._open: OpenItem | None = None
        self._space: list[tuple[str, tuple[Logprob, ...]]] = []
        self._announced = False

    @property
    def is_over(self) -> bool:
        """Return whether the last event has been made."""
        return self.response["status"] not in (QUEUED, RUNNING)

    def drain(self) -> Events:
        """Return the events that nobody has been given yet."""
        events, self._events = self._events, []
        return events

    def queue(self) -> None:
        """Tell that the response waits for its turn."""
        self._emit("response.created", response=self._told())
        self._emit("response.queued", response=self._told())
        self._announced = True

    def take(self, batch: Sequence[Event]) -> None:
        """Take what happened."""
        for event in batch:
            if isinstance(event, Text):
                self._text(event)
            elif isinstance(event, Thought):
                item = self._current(ReasoningItem, lambda: ReasoningItem(self._emit, self._summary, self._seal))
                item.add(event.text)
            elif isinstance(event, CallStarted):
                self._space.clear()
                tool = self._tools.of(event.name)
                self._begin(CallItem(self._emit, event.id, tool))
            elif isinstance(event, CallArguments):
                if isinstance(self._open, CallItem):
                    self._open.add(event.text)
            elif isinstance(event, Started):
                self._start()
            elif isinstance(event, Finished):
                self._finish(event)

    def say_nothing(self, tokens: int) -> None:
        """End a response for which nothing is generated; its prompt has so many tokens."""
        self.response["usage"] = usage_of(Finished("stop", tokens, 0, 0, 0, cached_tokens=tokens))
        self._end(DONE, "response.completed")

    def fail(self, fault: Fault) -> None:
        """End the response with an error."""
        self._end(FAILED, "response.failed", error=error_of(fault))

    def cancel(self) -> None:
        """End the response where it is, since its client wants no more of it."""
        self._end(CANCELLED, "response.incomplete")

    def _text(self, event: Text) -> None:
        """Take text. Space before it is kept back: what stands between thoughts and a call is no message."""
        if not isinstance(self._open, MessageItem):
            self._space.append((event.text, event.logprobs))
            if event.text.strip():
                self._speak()
            return
        self._open.add(event.text, event.logprobs)

    def _speak(self) -> None:
        item = self._current(MessageItem, lambda: MessageItem(self._emit, self._top))
        held, self._space = self._space, []
        for text, logprobs in held:
            item.add(text, logprobs)

    def _current(self, kind: type[Any], make: Callable[[], OpenItem]) -> Any:
        if not isinstance(self._open, kind):
            self._begin(make())
        return self._open

    def _begin(self, item: OpenItem) -> None:
        self._close(DONE)
        self._open = item
        item.begin(len(self.response["output"]))

    def _close(self, status: str) -> None:
        if self._open:
            self.response["output"].append(self._open.end(status))
            self._open = None

    def _start(self) -> None:
        self.response["status"] = RUNNING
        if not self._announced:
            self._emit("response.created", response=self._told())
            self._announced = True
        self._emit("response.in_progress", response=self._told())

    def _finish(self, end: Finished) -> None:
        cut = end.reason == "length"
        if self._space and not self._has("function_call", "custom_tool_call"):
            self._speak()
        if not (self._open or self.response["output"]):
            self._begin(MessageItem(self._emit, self._top))
        self.response["usage"] = usage_of(end)
        if end.truncation:
            self.response["dropped_messages"] = end.truncation.dropped_messages
            self.response["dropped_tokens"] = end.truncation.dropped_tokens
        if cut:
            self._end(INCOMPLETE, "response.incomplete", incomplete_details={"reason": "max_output_tokens"})
        else:
            self._end(DONE, "response.completed")

    def _has(self, *kinds: str) -> bool:
        return isinstance(self._open, CallItem) or any(item["type"] in kinds for item in self.response["output"])

    def _end(self, status: str, event: str, **more: Any) -> None:
        if self.is_over:
            return
        if not self._announced:
            self._start()
        self._close(DONE if status == DONE else INCOMPLETE)
        self.response |= {"status": status, "completed_at": int(time.time()) if status == DONE else None, **more}
        self._emit(event, response=self._told())

    def _told(self) -> dict[str, Any]:
        return self.response | {"output": list(self.response["output"])}

    def _emit(self, kind: str, **fields: Any) -> None:
        self._events.append({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
