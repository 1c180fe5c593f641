"""From the engine's stream to events: one decoder for ``/completion``, one for ``/v1/chat/completions``."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from puna.inference.events import (
    CallArguments,
    CallStarted,
    Finished,
    Logprob,
    Reading,
    Said,
    Text,
    Thought,
    TokenLogprob,
)
from puna.inference.output.stop import StopParser, text_of

_NANOSECONDS_PER_MILLISECOND = 1_000_000


def decode_completion(event: Mapping[str, Any]) -> list[Reading | Text | Finished]:
    """Return what one event of ``/completion`` or ``/infill`` says."""
    items: list[Reading | Text | Finished] = []
    if "prompt_progress" in event:
        items.append(_reading(event["prompt_progress"]))
    text = event.get("content", "")
    logprobs = logprobs_of(event.get("completion_probabilities"))
    if text or logprobs:
        items.append(Text(text, logprobs))
    if event.get("stop"):
        reason = "length" if event.get("stop_type") == "limit" else "stop"
        items.append(finished(reason, event.get("timings", {})))
    return items


def new_call_id() -> str:
    """Return an id for a tool call, in the form that Ollama gives them."""
    return f"call_{secrets.token_hex(4)}"


class ChatDecoder:
    """Decodes one stream of ``/v1/chat/completions``; ``stops`` end the thinking or the answer.

    Space at the end of the thinking is dropped.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = (StopParser(stops), StopParser(stops)) if stops else None
        self._ended = False
        self._thinking_space = ""
        self._thinking_tokens = 0
        self._calls: dict[int, int] = {}
        """The engine's index of a call, and ours."""

    def decode(self, event: Mapping[str, Any]) -> list[Said]:
        """Return what one event says; the one that names a reason is the last.

        (Others may carry timings as well: that of a text which is cut at a stop string does.)
        """
        items: list[Said] = []
        if "prompt_progress" in event:
            items.append(_reading(event["prompt_progress"]))
        for choice in () if self._ended else event.get("choices", ()):
            delta = choice.get("delta", {})
            calls, logprobs, reason = delta.get("tool_calls"), choice.get("logprobs"), choice.get("finish_reason")
            thinking, content = delta.get("reasoning_content") or "", delta.get("content") or ""
            stop = ""
            if self._stops:
                thinking, content, stop = self._stopped(self._stops, thinking, content, ended=bool(reason))
                reason = "stop" if stop else reason
            self._say(
                items, self._thinking(thinking), content, logprobs_of(logprobs.get("content")) if logprobs else ()
            )
            if thinking:
                self._thinking_tokens = event.get("timings", {}).get("predicted_n", 0)
            if calls:
                items += self._called(calls)
            if reason:
                self._ended = True
                end = finished("length" if reason == "length" else "stop", event.get("timings", {}), stop)
                items.append(replace(end, thinking_tokens=self._thinking_tokens) if self._thinking_tokens else end)
                break
        return items

    @staticmethod
    def _say(items: list[Said], thinking: str, content: str, logprobs: tuple[Logprob, ...]) -> None:
        if thinking:
            items.append(Thought(thinking, () if content else logprobs))
        if content or (logprobs and not thinking):
            items.append(Text(content, logprobs))

    @staticmethod
    def _stopped(
        stops: tuple[StopParser, StopParser], thinking: str, content: str, *, ended: bool
    ) -> tuple[str, str, str]:
        """Return what of a piece goes on, and the stop string that ends the answer here, "" if none does."""
        thoughts, answer = stops
        if thinking:
            thinking = text_of(thoughts.feed(thinking))
        if content or ended:
            thinking += text_of(thoughts.finish())
        if content:
            content = text_of(answer.feed(content)) if thoughts.matched is None else ""
        if ended:
            content += text_of(answer.finish())
        return thinking, content, thoughts.matched or answer.matched or ""

    def _thinking(self, text: str) -> str:
        if not text:
            return ""
        text = self._thinking_space + text
        kept = text.rstrip()
        self._thinking_space = text[len(kept) :]
        return kept

    def _called(self, deltas: Iterable[Mapping[str, Any]]) -> Iterator[CallStarted | CallArguments]:
        for delta in deltas:
            theirs, function = delta.get("index", 0), delta.get("function", {})
            if function.get("name"):
                self._calls[theirs] = len(self._calls)
                yield CallStarted(self._calls[theirs], new_call_id(), function["name"])
            if theirs in self._calls and (text := function.get("arguments")):
                yield CallArguments(self._calls[theirs], text)


def _reading(progress: Mapping[str, Any]) -> Reading:
    return Reading(int(progress["total"]), int(progress.get("cache", 0)), int(progress.get("processed", 0)))


def finished(reason: str, timings: Mapping[str, Any], stop: str = "") -> Finished:
    """Return the end of an answer, with the counts of the engine's ``timings``; ``stop`` is the stop string met."""
    cached = int(timings.get("cache_n", 0))
    return Finished(
        reason=reason,
        prompt_tokens=cached + int(timings.get("prompt_n", 0)),
        prompt_duration=int(timings.get("prompt_ms", 0) * _NANOSECONDS_PER_MILLISECOND),
        generated_tokens=int(timings.get("predicted_n", 0)),
        generation_duration=int(timings.get("predicted_ms", 0) * _NANOSECONDS_PER_MILLISECOND),
        cached_tokens=cached,
        stop=stop,
        drafted_tokens=int(timings.get("draft_n", 0)),
        accepted_tokens=int(timings.get("draft_n_accepted", 0)),
    )


def logprobs_of(entries: Any) -> tuple[Logprob, ...]:
    """Return what the engine tells of tokens (``completion_probabilities``, or a chat's ``logprobs.content``)."""
    if not entries:
        return ()
    return tuple(
        Logprob(_token(entry), tuple(_token(other) for other in entry.get("top_logprobs", ()))) for entry in entries
    )


def _token(entry: Mapping[str, Any]) -> TokenLogprob:
    return TokenLogprob(entry["token"], entry["logprob"], tuple(entry.get("bytes") or entry["token"].encode()))
