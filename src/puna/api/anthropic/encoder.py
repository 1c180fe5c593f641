"""Anthropic's objects and events (``raw_message_stream_event`` of its package) out of the events of an answer."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json
from starlette.types import Scope

from puna.api.anthropic.schemas import MessagesBody
from puna.api.dialect import error_piece
from puna.api.http import sse
from puna.api.prefixes import Comparison, Reread
from puna.api.seal import Seal
from puna.inference.answer import Answer, Call
from puna.inference.events import CallStarted, Event, Finished, Reading, Started, Text, Thought

DIALECT = "anthropic"
_PING = sse.named("ping", {"type": "ping"})
_TEXT, _THINKING, _TOOL = "text", "thinking", "tool_use"


class AnthropicEncoder:
    """Makes the events, or the one object, of one answer.

    Space before the first word of a text goes out with that word, or not at all: clients may not send back a text that
    is only space.
    """

    media_type = sse.MEDIA_TYPE

    def __init__(self, body: MessagesBody, seal: Seal, comparison: Comparison) -> None:
        self.id = f"msg_{secrets.token_hex(12)}"
        self._body, self._seal, self._comparison = body, seal, comparison
        self._omits_thoughts = bool(body.thinking and body.thinking.display == "omitted")
        self._reread: Reread | None = None
        self._begun = False
        self._open = ""
        self._index = -1
        self._space = ""
        self._thoughts: list[str] = []
        self._called = False

    def pieces(self, batch: Sequence[Event]) -> bytes:
        """Return the events of a stream that say what happened."""
        done = b""
        for event in batch:
            if isinstance(event, Started):
                continue
            if not self._begun:
                done += self._start(event)
            if isinstance(event, Finished):
                done += self._end(event)
            elif self._body.max_tokens == 0 or isinstance(event, Reading):
                continue
            elif isinstance(event, Text):
                done += self._text(event.text)
            elif isinstance(event, Thought):
                done += self._thought(event.text)
            elif isinstance(event, CallStarted):
                self._called = True
                block = {"type": _TOOL, "id": _call_id(event.id), "name": event.name, "input": {}}
                done += self._close() + self._block(_TOOL, block)
            else:
                done += self._delta({"type": "input_json_delta", "partial_json": event.text})
        return done

    def whole(self, answers: Sequence[Answer]) -> Mapping[str, Any]:
        """Return the message of an answer that is not streamed."""
        answer = answers[0]
        self._compare(answer.end.prompt_tokens, answer.end.cached_tokens)
        self._called = bool(answer.calls)
        content: list[dict[str, Any]] = []
        if self._body.max_tokens > 0:
            if answer.thinking:
                shown = "" if self._omits_thoughts else answer.thinking
                content.append({"type": _THINKING, "thinking": shown, "signature": self._signature(answer.thinking)})
            if answer.text.strip():
                content.append({"type": _TEXT, "text": answer.text})
            content += [_call_block(call) for call in answer.calls]
        return self._message(content, self._usage(answer.end)) | self._stop(answer.end)

    def still(self) -> bytes:
        """Return the event that tells a client that waits that its request is worked on."""
        return _PING

    def failed(self, scope: Scope, error: Exception) -> bytes:
        """Return the event that ends a stream which an error breaks off."""
        return error_piece(scope, error)

    def _start(self, event: Event) -> bytes:
        """Return the beginning of a message, with the tokens of its prompt, which the first event knows."""
        self._begun = True
        prompt, cached = (event.prompt_tokens, event.cached_tokens) if isinstance(event, Reading | Finished) else (0, 0)
        self._compare(prompt, cached)
        message = self._message([], self._counts(prompt, cached, 0)) | {"stop_reason": None, "stop_sequence": None}
        return sse.named("message_start", {"type": "message_start", "message": message}) + _PING

    def _compare(self, prompt_tokens: int, cached_tokens: int) -> None:
        if prompt_tokens:
            self._reread = self._comparison.begin(self.id, prompt_tokens, cached_tokens)

    def _text(self, text: str) -> bytes:
        if self._open != _TEXT:
            self._space += text
            if not self._space.strip():
                return b""
            text, self._space = self._space, ""
            return self._close() + self._block(_TEXT, {"type": _TEXT, "text": ""}) + self._text(text)
        return self._delta({"type": "text_delta", "text": text}) if text else b""

    def _thought(self, text: str) -> bytes:
        if not text:
            return b""
        begin = b""
        if self._open != _THINKING:
            begin = self._close() + self._block(_THINKING, {"type": _THINKING, "thinking": "", "signature": ""})
        self._thoughts.append(text)
        return begin + (b"" if self._omits_thoughts else self._delta({"type": "thinking_delta", "thinking": text}))

    def _block(self, kind: str, block: Mapping[str, Any]) -> bytes:
        self._open, self._space = kind, ""
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return sse.named("content_block_start", start)

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return sse.named("content_block_delta", {"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> bytes:
        """Return the end of the block that is open, if one is."""
        if not self._open:
            return b""
        done = b""
        if self._open == _THINKING:
            signature = self._signature("".join(self._thoughts))
            self._thoughts = []
            done = self._delta({"type": "signature_delta", "signature": signature})
        self._open = ""
        return done + sse.named("content_block_stop", {"type": "content_block_stop", "index": self._index})

    def _signature(self, thoughts: str) -> str:
        """Return what goes on with thoughts; it has them in it where they are left out themselves."""
        return self._seal.hold(thoughts) if self._omits_thoughts else self._seal.sign(thoughts)

    def _end(self, end: Finished) -> bytes:
        delta = {"type": "message_delta", "delta": self._stop(end), "usage": self._usage(end)}
        return self._close() + sse.named("message_delta", delta) + sse.named("message_stop", {"type": "message_stop"})

    def _stop(self, end: Finished) -> dict[str, Any]:
        if self._body.max_tokens == 0 or end.reason == "length":
            return {"stop_reason": "max_tokens", "stop_sequence": None}
        if end.stop in self._body.stop_sequences:
            return {"stop_reason": "stop_sequence", "stop_sequence": end.stop}
        return {"stop_reason": "tool_use" if self._called else "end_turn", "stop_sequence": None}

    def _message(self, content: Sequence[Mapping[str, Any]], usage: Mapping[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self._body.model,
            "content": content,
            "usage": usage,
        }
        if self._body.diagnostics is not None:
            message["diagnostics"] = self._diagnostics()
        return message

    def _diagnostics(self) -> dict[str, Any] | None:
        """Return why a prompt was read again, in the words that Anthropic has for it."""
        asked = self._body.diagnostics
        if asked and asked.previous_message_id and self._comparison.earlier is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        if self._reread is None:
            return None
        reason = "messages_changed" if self._reread.reason == "thinking_dropped" else self._reread.reason
        return {"cache_miss_reason": {"type": reason, "cache_missed_input_tokens": self._reread.tokens}}

    def _usage(self, end: Finished) -> dict[str, Any]:
        generated = 0 if self._body.max_tokens == 0 else end.generated_tokens
        counts = self._counts(end.prompt_tokens, end.cached_tokens, generated)
        return counts | {"output_tokens_details": {"thinking_tokens": end.thinking_tokens}}

    def _counts(self, prompt: int, cached: int, generated: int) -> dict[str, Any]:
        """Return the counts of tokens; ``input_tokens`` are those that had to be read."""
        counts: dict[str, Any] = {
            "input_tokens": prompt - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": generated,
        }
        if self._reread:
            counts["cache_miss"] = {"type": self._reread.reason, "cache_missed_input_tokens": self._reread.tokens}
        return counts


def _call_block(call: Call) -> dict[str, Any]:
    """Return a call; of one that is cut off, what there is of its arguments."""
    whole = call.complete
    arguments = whole.arguments if whole else _beginning(call.arguments)
    return {"type": _TOOL, "id": _call_id(call.id), "name": call.name, "input": arguments}


def _beginning(text: str) -> dict[str, Any]:
    try:
        value = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _call_id(known: str) -> str:
    return f"toolu_{known.removeprefix('call_')}"
