"""The objects of ``/v1/chat/completions`` out of the events of an answer."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from starlette.types import Scope

from puna.api.dialect import error_piece
from puna.api.http import sse
from puna.api.openai.custom import Input, whole_input
from puna.api.openai.schemas import ChatBody
from puna.api.openai.usage import Head, logprobs_body, usage_of
from puna.api.prefixes import Comparison
from puna.inference.answer import Answer, Call
from puna.inference.events import CallArguments, CallStarted, Event, Finished, Piece, Reading, Started, Text, Thought

END = b"data: [DONE]\n\n"


class ChatEncoder:
    """Makes the objects of one response.

    Thoughts go out under both names that clients look for; calls as tools, or in the older form for ``functions``.
    """

    media_type = sse.MEDIA_TYPE

    def __init__(
        self,
        body: ChatBody,
        head: Head,
        comparison: Comparison | None = None,
        custom: Collection[str] = (),
        *,
        predicted: bool = False,
    ) -> None:
        """``comparison`` is with what was asked before in the conversation, if the request says of which it is.

        ``custom`` are the names of tools whose calls are told with their text, and not with arguments. ``predicted``
        tells that the engine is given a prediction of the answer.
        """
        self._predicted = predicted
        self._head = head
        self._comparison = comparison
        self._top_logprobs = body.top_logprobs or 0
        self._logprobs = body.logprobs
        self._older = bool(body.functions)
        self._counts = {"usage": None} if body.stream_options.include_usage else {}
        self._left = body.n
        self._ends: list[Finished] = []
        self._begun: set[int] = set()
        self._called: set[int] = set()
        self._custom = custom
        self._inputs: dict[tuple[int, int], Input] = {}
        """The texts of calls of custom tools, by choice and call."""

    def pieces(self, batch: Sequence[Event]) -> bytes:
        """Return the chunks of a stream that say what happened."""
        said = b""
        for event in batch:
            if isinstance(event, Finished):
                said += self._end(event)
            elif not isinstance(event, Started | Reading):
                said += self._chunk(event.choice, self._delta(event), event)
        return said

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the one object of an answer that is not streamed."""
        choices = [self._choice(index, answer) for index, answer in enumerate(answers)]
        return self._head.object(choices, usage=self._usage([answer.end for answer in answers]))

    def _usage(self, ends: Sequence[Finished]) -> dict[str, Any]:
        """Return what the answer took; where an earlier prompt's tokens were read again, how many and why."""
        usage = usage_of(ends, len(ends), predicted=self._predicted)
        if self._comparison is None:
            return usage
        details = usage["prompt_tokens_details"]
        reread = self._comparison.begin(self._head.id, usage["prompt_tokens"], details["cached_tokens"])
        return usage | {"cache_miss": {"type": reread.reason, "tokens": reread.tokens}} if reread else usage

    def still(self) -> bytes:
        """Return a comment, which clients pass over."""
        return sse.COMMENT

    def failed(self, scope: Scope, error: Exception) -> bytes:
        """Return the last piece of a stream that an error breaks off."""
        return error_piece(scope, error)

    def _chunk(
        self, choice: int, delta: dict[str, Any], piece: Piece | None = None, reason: str | None = None
    ) -> bytes:
        if choice not in self._begun:
            self._begun.add(choice)
            delta = {"role": "assistant", "content": "", **delta}
        logprobs = logprobs_body(piece.logprobs, self._top_logprobs) if piece and piece.logprobs else None
        chosen = {"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return sse.data(self._head.object([chosen], **self._counts))

    def _delta(self, event: Piece) -> dict[str, Any]:
        if isinstance(event, Text):
            return {"content": event.text}
        if isinstance(event, Thought):
            return _thought(event.text)
        if isinstance(event, CallStarted):
            self._called.add(event.choice)
            function = {"name": event.name, "arguments": ""}
            if self._older:
                return {"function_call": function}
            if event.name in self._custom:
                self._inputs[event.choice, event.call] = Input()
                called = {"name": event.name, "input": ""}  # the official type of chunks has no word for its kind
                return {"tool_calls": [{"index": event.call, "id": event.id, "custom": called}]}
            return {"tool_calls": [{"index": event.call, "id": event.id, "type": "function", "function": function}]}
        if known := self._inputs.get((event.choice, event.call)):
            return {"tool_calls": [{"index": event.call, "custom": {"input": known.feed(event.text)}}]}
        function = {"arguments": event.text}
        return {"function_call": function} if self._older else {"tool_calls": [_piece_of_call(event, function)]}

    def _end(self, end: Finished) -> bytes:
        self._ends.append(end)
        said = b""
        for (choice, call), known in self._inputs.items():
            if choice == end.choice and (rest := known.rest()):
                said += self._chunk(choice, {"tool_calls": [{"index": call, "custom": {"input": rest}}]})
        said += self._chunk(end.choice, {}, reason=self._reason(end, called=end.choice in self._called))
        if len(self._ends) < self._left:
            return said
        usage = self._usage(self._ends)
        if self._counts:
            said += sse.data(self._head.object([], usage=usage))
        return said + END

    def _reason(self, end: Finished, *, called: bool) -> str:
        if not called or end.reason != "stop":
            return end.reason
        return "function_call" if self._older else "tool_calls"

    def _choice(self, index: int, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.thinking:
            message |= _thought(answer.thinking)
        if answer.calls:
            message |= {"content": answer.text or None} | dict(self._calls(answer.calls))
        asked = self._logprobs
        return {
            "index": index,
            "message": message,
            "logprobs": logprobs_body(answer.logprobs, self._top_logprobs) if asked else None,
            "finish_reason": self._reason(answer.end, called=bool(answer.calls)),
        }

    def _calls(self, calls: Sequence[Call]) -> Iterator[tuple[str, Any]]:
        if self._older:
            yield "function_call", _function(calls[0])
        else:
            yield "tool_calls", [self._call(call) for call in calls]

    def _call(self, call: Call) -> dict[str, Any]:
        if call.name in self._custom:
            custom = {"name": call.name, "input": whole_input(call.arguments)}
            return {"id": call.id, "type": "custom", "custom": custom}
        return {"id": call.id, "type": "function", "function": _function(call)}


def _function(call: Call) -> dict[str, str]:
    return {"name": call.name, "arguments": call.arguments}


def _thought(text: str) -> dict[str, str]:
    return {"reasoning": text, "reasoning_content": text}


def _piece_of_call(event: CallArguments, function: dict[str, str]) -> dict[str, Any]:
    return {"index": event.call, "function": function}
