"""The items of an answer that are not done yet, and the events that tell of their growth."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

from puna.api.openai.custom import Input
from puna.api.openai.responses.objects import RUNNING, item_id, logprobs_of
from puna.api.openai.responses.tools import Tool
from puna.inference.events import Logprob
from puna.inference.output.calls import lenient_object

Emit = Callable[..., None]


class OpenItem(Protocol):
    """An item of which more may come."""

    def begin(self, index: int) -> None:
        """Tell of the item as the ``index``-th of the output."""
        ...

    def end(self, status: str) -> dict[str, Any]:
        """Tell of its end and return it whole."""
        ...


class _Item:
    """What all items share: their id, their place, and how both are told."""

    def __init__(self, emit: Emit, kind: str) -> None:
        self._send = emit
        self._id = item_id(kind)
        self._index = 0
        self._texts: list[str] = []

    @property
    def _text(self) -> str:
        return "".join(self._texts)

    def _emit(self, kind: str, **fields: Any) -> None:
        self._send(f"response.{kind}", item_id=self._id, output_index=self._index, **fields)

    def _added(self, item: dict[str, Any]) -> None:
        self._send("response.output_item.added", output_index=self._index, item=item)

    def _done(self, item: dict[str, Any]) -> dict[str, Any]:
        self._send("response.output_item.done", output_index=self._index, item=item)
        return item


class MessageItem(_Item):
    """What the model says."""

    def __init__(self, emit: Emit, top_logprobs: int) -> None:
        super().__init__(emit, "message")
        self._top = top_logprobs
        self._logprobs: list[dict[str, Any]] = []

    def begin(self, index: int) -> None:
        """See ``OpenItem``."""
        self._index = index
        self._added(self._item(RUNNING, []))
        self._emit("content_part.added", content_index=0, part=self._part("", []))

    def add(self, text: str, logprobs: Sequence[Logprob]) -> None:
        """Take the next piece."""
        told = logprobs_of(logprobs, self._top) if logprobs else []
        self._texts.append(text)
        self._logprobs += told
        if text or told:
            self._emit("output_text.delta", content_index=0, delta=text, logprobs=told)

    def end(self, status: str) -> dict[str, Any]:
        """See ``OpenItem``."""
        part = self._part(self._text, self._logprobs)
        self._emit("output_text.done", content_index=0, text=self._text, logprobs=self._logprobs)
        self._emit("content_part.done", content_index=0, part=part)
        return self._done(self._item(status, [part]))

    def _item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": self._id, "type": "message", "status": status, "role": "assistant", "content": content}

    @staticmethod
    def _part(text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


class ReasoningItem(_Item):
    """What the model thinks, told as it is, or as a summary where one is asked for."""

    def __init__(self, emit: Emit, summary: bool, seal: Callable[[str], str] | None) -> None:
        super().__init__(emit, "reasoning")
        self._summary = summary
        self._seal = seal

    def begin(self, index: int) -> None:
        """See ``OpenItem``."""
        self._index = index
        self._added(self._item(RUNNING, []))
        if self._summary:
            self._emit("reasoning_summary_part.added", summary_index=0, part=self._part(""))
        else:
            self._emit("content_part.added", content_index=0, part=self._part(""))

    def add(self, text: str) -> None:
        """Take the next piece."""
        self._texts.append(text)
        if text and self._summary:
            self._emit("reasoning_summary_text.delta", summary_index=0, delta=text)
        elif text:
            self._emit("reasoning_text.delta", content_index=0, delta=text)

    def end(self, status: str) -> dict[str, Any]:
        """See ``OpenItem``."""
        part = self._part(self._text)
        if self._summary:
            self._emit("reasoning_summary_text.done", summary_index=0, text=self._text)
            self._emit("reasoning_summary_part.done", summary_index=0, part=part)
        else:
            self._emit("reasoning_text.done", content_index=0, text=self._text)
            self._emit("content_part.done", content_index=0, part=part)
        return self._done(self._item(status, [part]))

    def _item(self, status: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self._id, "type": "reasoning", "status": status, "summary": []}
        item["summary" if self._summary else "content"] = parts
        if self._seal and parts:
            item["encrypted_content"] = self._seal(self._text)
        return item

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "summary_text" if self._summary else "reasoning_text", "text": text}


class CallItem(_Item):
    """A call of a function, or of a custom tool, whose input is the one argument of the function that stands for it."""

    def __init__(self, emit: Emit, call_id: str, tool: Tool) -> None:
        super().__init__(emit, "custom_tool_call" if tool.custom else "function_call")
        self._call_id = call_id
        self._tool = tool
        self._input = Input()

    def begin(self, index: int) -> None:
        """See ``OpenItem``."""
        self._index = index
        self._added(self._item(RUNNING, ""))

    def add(self, text: str) -> None:
        """Take the next piece of the arguments."""
        self._texts.append(text)
        if not self._tool.custom:
            self._emit("function_call_arguments.delta", delta=text)
        elif said := self._input.feed(text):
            self._emit("custom_tool_call_input.delta", delta=said)

    def end(self, status: str) -> dict[str, Any]:
        """See ``OpenItem``."""
        if not self._tool.custom:
            arguments = _strict(self._text)
            self._emit("function_call_arguments.done", arguments=arguments, name=self._tool.name)
            return self._done(self._item(status, arguments))
        text = self._input.whole()
        if rest := self._input.rest():
            self._emit("custom_tool_call_input.delta", delta=rest)
        self._emit("custom_tool_call_input.done", input=text)
        return self._done(self._item(status, text))

    def _item(self, status: str, said: str) -> dict[str, Any]:
        kind, field = ("custom_tool_call", "input") if self._tool.custom else ("function_call", "arguments")
        item = {"id": self._id, "type": kind, "status": status, "call_id": self._call_id, "name": self._tool.name}
        return item | {field: said} | ({"namespace": self._tool.namespace} if self._tool.namespace else {})


def _strict(text: str) -> str:
    """Return arguments as JSON, where they nearly are."""
    try:
        orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        found = lenient_object(text)
        return text if found is None else orjson.dumps(found).decode()
    return text or "{}"
