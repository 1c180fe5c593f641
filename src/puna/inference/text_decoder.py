"""Reads an answer that comes as plain text: thinking and tool calls are found by the marks of the model's template."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from puna.inference.engine_events import decode_completion, finished, new_call_id
from puna.inference.events import Delta, Finished, Logprob
from puna.inference.output.events import ContentText, OutputEvent, OutputParser, ParserChain, ThinkingText
from puna.inference.output.stop import StopParser
from puna.inference.requests import ToolCall


class TextDecoder:
    """Decodes one stream of ``/completion`` through parsers of its text, up to the first of ``stops``."""

    def __init__(self, parsers: Sequence[OutputParser], stops: Sequence[str] = ()) -> None:
        self._stop = StopParser(stops) if stops else None
        self._parsers = ParserChain(*([self._stop] if self._stop else []), *parsers)
        self._ended = False

    def decode(self, event: Mapping[str, Any]) -> Iterator[Delta | Finished]:
        """Yield what one event of the engine says; nothing once ``Finished`` was the last."""
        if self._ended:
            return
        for item in decode_completion(event):
            if isinstance(item, Delta):
                yield from _deltas(self._parsers.feed(item.content) if item.content else [], item.logprobs)
                if self._stop and self._stop.matched is not None:
                    yield from self._end(finished("stop", event.get("timings", {}), self._stop.matched))
                    return
            else:
                yield from self._end(item)

    def _end(self, end: Finished) -> Iterator[Delta | Finished]:
        self._ended = True
        yield from _deltas(self._parsers.finish())
        yield end


def _deltas(events: Sequence[OutputEvent], logprobs: tuple[Logprob, ...] = ()) -> Iterator[Delta]:
    """Yield one delta for each event; the log probabilities of their tokens go with the first, or alone."""
    for event in events:
        yield _delta(event, logprobs)
        logprobs = ()
    if logprobs:
        yield Delta(logprobs=logprobs)


def _delta(event: OutputEvent, logprobs: tuple[Logprob, ...]) -> Delta:
    if isinstance(event, ContentText):
        return Delta(content=event.text, logprobs=logprobs)
    if isinstance(event, ThinkingText):
        return Delta(thinking=event.text, logprobs=logprobs)
    call = ToolCall(name=event.name, arguments=orjson.loads(event.arguments_json), id=new_call_id())
    return Delta(tool_calls=(call,), logprobs=logprobs)
