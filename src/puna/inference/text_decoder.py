"""Reads an answer that comes as plain text: thinking and tool calls are found by the marks of the model's template."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from puna.inference.engine_events import decode_completion, new_call_id
from puna.inference.events import Delta, Finished, Logprob
from puna.inference.output.events import ContentText, OutputEvent, OutputParser, ParserChain, ThinkingText
from puna.inference.requests import ToolCall


class TextDecoder:
    """Decodes one stream of ``/completion`` through parsers of its text."""

    def __init__(self, parsers: Sequence[OutputParser]) -> None:
        self._parsers = ParserChain(*parsers)

    def decode(self, event: Mapping[str, Any]) -> Iterator[Delta | Finished]:
        """Yield what one event of the engine says."""
        for item in decode_completion(event):
            if isinstance(item, Delta):
                yield from _deltas(self._parsers.feed(item.content) if item.content else [], item.logprobs)
            else:
                yield from _deltas(self._parsers.finish())
                yield item


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
