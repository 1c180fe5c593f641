"""The objects of ``/v1/completions`` out of the events of answers."""

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from puna.inference.scoring import Scored


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

    ``prompts`` are told before the answers to each: the text, "" for none, and its tokens, if their probabilities are
    asked for. A ``silent`` response tells nothing else.
    """

    media_type = sse.MEDIA_TYPE

    def __init__(
        self,
        body: CompletionBody,
        head: Head,
        prompts: Sequence[tuple[str, Sequence[Scored]]],
        made: int,
        *,
        silent: bool = False,
    ) -> None:
        self._head = head
        self._n = body.n
        self._made = made
        self._prompts = prompts
        self._silent = silent
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
        for number, (before, scored) in enumerate(self._prompts):
            for answer in best(answers[number * self._made : (number + 1) * self._made], self._n):
                text = "" if self._silent else answer.thinking + answer.text
                logprobs = self._logprobs(_Offsets(), () if self._silent else answer.logprobs, scored)
                choices.append({"index": len(choices), "text": before + text, "logprobs": logprobs})
                choices[-1]["finish_reason"] = "length" if self._silent else answer.end.reason
        return self._head.object(choices, usage=self._usage([answer.end for answer in answers]))

    def _usage(self, ends: Iterable[Finished]) -> dict[str, Any]:
        return usage_of([replace(end, generated_tokens=0) if self._silent else end for end in ends], self._made)

    def still(self) -> bytes:
        """Return a comment, which clients pass over."""
        return sse.COMMENT

    def failed(self, scope: Scope, error: Exception) -> bytes:
        """Return the last piece of a stream that an error breaks off."""
        return error_piece(scope, error)

    def _chunk(self, choice: int, text: str, logprobs: Sequence[Logprob] = (), reason: str | None = None) -> bytes:
        text, logprobs = ("", ()) if self._silent else (text, logprobs)
        before: Sequence[Scored] = ()
        if choice not in self._begun:
            self._begun.add(choice)
            said, before = self._prompts[choice // self._made]
            text = said + text
        offsets = self._offsets.setdefault(choice, _Offsets())
        known = self._logprobs(offsets, logprobs, before) if logprobs or before else None
        chosen = {"index": choice, "text": text, "logprobs": known, "finish_reason": reason}
        return sse.data(self._head.object([chosen], **self._counts))

    def _end(self, end: Finished) -> bytes:
        self._ends.append(end)
        said = self._chunk(end.choice, "", reason="length" if self._silent else end.reason)
        if len(self._ends) < self._made * len(self._prompts):
            return said
        if self._counts:
            said += sse.data(self._head.object([], usage=self._usage(self._ends)))
        return said + END

    def _logprobs(
        self, offsets: _Offsets, logprobs: Iterable[Logprob], before: Sequence[Scored] = ()
    ) -> dict[str, Any] | None:
        if self._top is None:
            return None
        items = [(one.text, one.bytes, one.known) for one in before]
        items += [(one.chosen.token, bytes(one.chosen.bytes), one) for one in logprobs]
        top = [known and {item.token: item.logprob for item in known.top[: self._top]} for _, _, known in items]
        return {
            "tokens": [token for token, _, _ in items],
            "token_logprobs": [known and known.chosen.logprob for _, _, known in items],
            "top_logprobs": top if self._top else None,
            "text_offset": [offsets.next(data) for _, data, _ in items],
        }
