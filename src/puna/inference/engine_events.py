"""From the engine's stream to events: one decoder for ``/completion``, one for ``/v1/chat/completions``."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from puna.inference.events import Delta, Finished, Logprob, TokenLogprob
from puna.inference.output.calls import lenient_object
from puna.inference.output.stop import StopParser, text_of
from puna.inference.requests import ToolCall

_NANOSECONDS_PER_MILLISECOND = 1_000_000


def decode_completion(event: Mapping[str, Any]) -> list[Delta | Finished]:
    """Return what one event of ``/completion`` or ``/infill`` says."""
    items: list[Delta | Finished] = []
    text = event.get("content", "")
    logprobs = _logprobs(event.get("completion_probabilities"))
    if text or logprobs:
        items.append(Delta(content=text, logprobs=logprobs))
    if event.get("stop"):
        reason = "length" if event.get("stop_type") == "limit" else "stop"
        items.append(finished(reason, event.get("timings", {})))
    return items


def new_call_id() -> str:
    """Return an id for a tool call, in the form that Ollama gives them."""
    return f"call_{secrets.token_hex(4)}"


class ChatDecoder:
    """Decodes one stream of ``/v1/chat/completions``; ``stops`` end the thinking or the answer.

    Calls of tools are collected until each is complete; space at the end of the thinking is dropped.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = (StopParser(stops), StopParser(stops)) if stops else None
        self._ended = False
        self._thinking_space = ""
        self._names: dict[int, tuple[str, str]] = {}
        self._arguments: dict[int, str] = {}

    def decode(self, event: Mapping[str, Any]) -> list[Delta | Finished]:
        """Return what one event says; the one that names a reason is the last.

        (Others may carry timings as well: that of a text which is cut at a stop string does.)
        """
        items: list[Delta | Finished] = []
        for choice in () if self._ended else event.get("choices", ()):
            delta = choice.get("delta", {})
            calls, logprobs, reason = delta.get("tool_calls"), choice.get("logprobs"), choice.get("finish_reason")
            thinking, content = delta.get("reasoning_content") or "", delta.get("content") or ""
            stop = ""
            if self._stops:
                thinking, content, stop = self._stopped(self._stops, thinking, content, ended=bool(reason))
                reason = "stop" if stop else reason
            piece = Delta(
                content=content,
                thinking=self._thinking(thinking),
                tool_calls=tuple(self._calls(calls)) if calls else (),
                logprobs=_logprobs(logprobs.get("content")) if logprobs else (),
            )
            if any(piece):
                items.append(piece)
            if reason:
                self._ended = True
                items += self._cut_off()
                items.append(finished("length" if reason == "length" else "stop", event.get("timings", {}), stop))
                break
        return items

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

    def _cut_off(self) -> list[Delta | Finished]:
        """Return as text the calls that are not complete at the end: it was not theirs, and nothing is lost."""
        begun = [
            f'{{"name": {orjson.dumps(self._names[index][0]).decode()}, "arguments": {arguments}'
            for index, arguments in self._arguments.items()
        ]
        return [Delta(content="\n".join(begun))] if begun else []

    def _thinking(self, text: str) -> str:
        if not text:
            return ""
        text = self._thinking_space + text
        kept = text.rstrip()
        self._thinking_space = text[len(kept) :]
        return kept

    def _calls(self, deltas: Iterable[Mapping[str, Any]]) -> Iterator[ToolCall]:
        for delta in deltas:
            index, function = delta.get("index", 0), delta.get("function", {})
            if function.get("name"):
                self._names[index] = (function["name"], new_call_id())
                self._arguments[index] = ""
            if index not in self._arguments:
                continue  # complete already
            self._arguments[index] += function.get("arguments") or ""
            arguments = _complete_object(self._arguments[index])
            if arguments is not None:
                name, call_id = self._names[index]
                del self._arguments[index]
                yield ToolCall(name=name, arguments=arguments, id=call_id)


def _complete_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that ``text`` is, or ``None`` while it is only the beginning of one."""
    if not text.rstrip().endswith("}"):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return lenient_object(text)
    return value if isinstance(value, dict) else None


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
    )


def _logprobs(entries: Any) -> tuple[Logprob, ...]:
    if not entries:
        return ()
    return tuple(
        Logprob(_token(entry), tuple(_token(other) for other in entry.get("top_logprobs", ()))) for entry in entries
    )


def _token(entry: Mapping[str, Any]) -> TokenLogprob:
    return TokenLogprob(entry["token"], entry["logprob"], tuple(entry.get("bytes") or entry["token"].encode()))
