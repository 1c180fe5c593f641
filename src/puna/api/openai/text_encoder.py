"""The objects of ``/v1/completions`` out of the events of answers."""

import codecs
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.types import Scope

from puna.api.dialect import error_piece
from puna.api.http import sse
from puna.api.openai.encoder import END
from puna.api.openai.prompts import best
from puna.api.openai.schemas import CompletionBody
from puna.api.openai.usage import Head, usage_of
from puna.inference.answer import Answer
from puna.inference.events import Event, Finished, Logprob, Text, Thought


class _Offsets:
    """Counts the characters before each token of one answer, from its tokens' bytes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at = 0

    def next(self, data: bytes) -> int:
        at = self._at
        self._at += len(self._decoder.decode(data))
        return at


class TextEncoder:
    """Makes the objects of one response: ``made`` answers to each prompt, of which ``n`` are told.

    ``prompts`` are texts to be told before the answers, one for each prompt, "" for none.
    """

    media_type = sse.MEDIA_TYPE

    def __init__(self, body: CompletionBody, head: Head, prompts: Sequence[str], made: int) -> None:
        self._head = head
        self._n = body.n
        self._made = made
        self._prompts = prompts
        self._top = body.logprobs
        self._counts = {"usage": None} if body.stream_options.include_usage else {}
        self._offsets: dict[int, _Offsets] = {}
        self._ends: list[Finished] = []
        self._begun: set[int] = set()

    def pieces(self, batch: Sequence[Event]) -> bytes:
        """Return the chunks of a stream that say what happened."""
        said = b""
        for event in batch:
            if isinstance(event, Text | Thought):
                said += self._chunk(event.choice, event.text, event.logprobs)
            elif isinstance(event, Finished):
                said += self._end(event)
        return said

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the one object of answers that are not streamed."""
        choices: list[dict[str, Any]] = []
        for number, prompt in enumerate(self._prompts):
            for answer in best(answers[number * self._made : (number + 1) * self._made], self._n):
                told = {"index": len(choices), "text": prompt + answer.thinking + answer.text}
                logprobs = self._logprobs(_Offsets(), answer.logprobs)
                choices.append({**told, "logprobs": logprobs, "finish_reason": answer.end.reason})
        return self._head.object(choices, usage=usage_of([answer.end for answer in answers], self._made))

    def still(self) -> bytes:
        """Return a comment, which clients pass over."""
        return sse.COMMENT

    def failed(self, scope: Scope, error: Exception) -> bytes:
        """Return the last piece of a stream that an error breaks off."""
        return error_piece(scope, error)

    def _chunk(self, choice: int, text: str, logprobs: Sequence[Logprob] = (), reason: str | None = None) -> bytes:
        if choice not in self._begun:
            self._begun.add(choice)
            text = self._prompts[choice // self._made] + text
        known = self._logprobs(self._offsets.setdefault(choice, _Offsets()), logprobs) if logprobs else None
        chosen = {"index": choice, "text": text, "logprobs": known, "finish_reason": reason}
        return sse.data(self._head.object([chosen], **self._counts))

    def _end(self, end: Finished) -> bytes:
        self._ends.append(end)
        said = self._chunk(end.choice, "", reason=end.reason)
        if len(self._ends) < self._made * len(self._prompts):
            return said
        if self._counts:
            said += sse.data(self._head.object([], usage=usage_of(self._ends, self._made)))
        return said + END

    def _logprobs(self, offsets: _Offsets, logprobs: Iterable[Logprob]) -> dict[str, Any] | None:
        if self._top is None:
            return None
        items = list(logprobs)
        top = [{item.token: item.logprob for item in entry.top[: self._top]} for entry in items]
        return {
            "tokens": [entry.chosen.token for entry in items],
            "token_logprobs": [entry.chosen.logprob for entry in items],
            "top_logprobs": top if self._top else None,
            "text_offset": [offsets.next(bytes(entry.chosen.bytes)) for entry in items],
        }
