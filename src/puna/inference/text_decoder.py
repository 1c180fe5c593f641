"""Reads an answer that comes as plain text: thinking and tool calls are found by the marks of the model's template."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from puna.inference.engine_events import decode_completion, finished, new_call_id
from puna.inference.events import CallArguments, CallStarted, Finished, Logprob, Piece, Said, Text, Thought
from puna.inference.output.events import ContentText, OutputEvent, OutputParser, ParserChain, ThinkingText
from puna.inference.output.stop import StopParser


class TextDecoder:
    """Decodes one stream of ``/completion`` through parsers of its text, up to the first of ``stops``."""

    def __init__(self, parsers: Sequence[OutputParser], stops: Sequence[str] = ()) -> None:
        self._stop = StopParser(stops) if stops else None
        self._parsers = ParserChain(*([self._stop] if self._stop else []), *parsers)
        self._ended = False
        self._calls = 0
        self._thinking_tokens = 0

    def decode(self, event: Mapping[str, Any]) -> Iterator[Said]:
        """Yield what one event of the engine says; nothing once ``Finished`` was the last."""
        if self._ended:
            return
        for item in decode_completion(event):
            if isinstance(item, Text):
                found = self._parsers.feed(item.text) if item.text else []
                yield from self._pieces(found, item.logprobs)
                if found and isinstance(found[-1], ThinkingText):
                    self._thinking_tokens = event.get("timings", {}).get("predicted_n", 0)
                if self._stop and self._stop.matched is not None:
                    yield from self._end(finished("stop", event.get("timings", {}), self._stop.matched))
                    return
            elif isinstance(item, Finished):
                yield from self._end(item)
            else:
                yield item

    def _end(self, end: Finished) -> Iterator[Said]:
        self._ended = True
        yield from self._pieces(self._parsers.finish())
        yield replace(end, thinking_tokens=self._thinking_tokens) if self._thinking_tokens else end

    def _pieces(self, events: Sequence[OutputEvent], logprobs: tuple[Logprob, ...] = ()) -> Iterator[Piece]:
        """Yield what parsers found; the log probabilities of its tokens go with the first, or alone."""
        for event in events:
            if isinstance(event, ContentText):
                yield Text(event.text, logprobs)
            elif isinstance(event, ThinkingText):
                yield Thought(event.text, logprobs)
            else:
                yield CallStarted(self._calls, new_call_id(), event.name, logprobs)
                yield CallArguments(self._calls, event.arguments_json)
                self._calls += 1
            logprobs = ()
        if logprobs:
            yield Text("", logprobs)
