"""From the engine's stream to events: one decoder for ``/completion``, one for ``/v1/chat/completions``."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from puna.inference.events import Delta, Finished, Logprob, TokenLogprob
from puna.inference.output.calls import lenient_object
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
        items.append(_finished(reason, event.get("timings", {})))
    return items


def new_call_id() -> str:
    """Return an id for a tool call, in the form that Ollama gives them."""
    return f"call_{secrets.token_hex(4)}"


class ChatDecoder:
    """Decodes one stream of ``/v1/chat/completions``.

    Calls of tools are collected until each is complete; space at the end of the thinking is dropped.
    """

    def __init__(self) -> None:
        self._reason = "stop"
        self._thinking_space = ""
        self._names: dict[int, tuple[str, str]] = {}
        self._arguments: dict[int, str] = {}

    def decode(self, event: Mapping[str, Any]) -> list[Delta | Finished]:
        """Return what one event says; the event with the timings is the last."""
        items: list[Delta | Finished] = []
        for choice in event.get("choices", ()):
            delta = choice.get("delta", {})
            calls, logprobs = delta.get("tool_calls"), choice.get("logprobs")
            piece = Delta(
                content=delta.get("content") or "",
                thinking=self._thinking(delta.get("reasoning_content") or ""),
                tool_calls=tuple(self._calls(calls)) if calls else (),
                logprobs=_logprobs(logprobs.get("content")) if logprobs else (),
            )
            if any(piece):
                items.append(piece)
            if choice.get("finish_reason"):
                self._reason = "length" if choice["finish_reason"] == "length" else "stop"
        if "timings" in event:
            items.append(_finished(self._reason, event["timings"]))
        return items

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


def _finished(reason: str, timings: Mapping[str, Any]) -> Finished:
    cached = int(timings.get("cache_n", 0))
    return Finished(
        reason=reason,
        prompt_tokens=cached + int(timings.get("prompt_n", 0)),
        prompt_duration=int(timings.get("prompt_ms", 0) * _NANOSECONDS_PER_MILLISECOND),
        generated_tokens=int(timings.get("predicted_n", 0)),
        generation_duration=int(timings.get("predicted_ms", 0) * _NANOSECONDS_PER_MILLISECOND),
        cached_tokens=cached,
    )


def _logprobs(entries: Any) -> tuple[Logprob, ...]:
    if not entries:
        return ()
    return tuple(
        Logprob(_token(entry), tuple(_token(other) for other in entry.get("top_logprobs", ()))) for entry in entries
    )


def _token(entry: Mapping[str, Any]) -> TokenLogprob:
    return TokenLogprob(entry["token"], entry["logprob"], tuple(entry.get("bytes") or entry["token"].encode()))
