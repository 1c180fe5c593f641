"""What was said, as attributes of spans: only where the variable of OpenTelemetry's conventions asks for it."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from puna.inference.answer import Collector
from puna.inference.events import Finished
from puna.inference.requests import Completion, Conversation, GenerationRequest, Infill, Message

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_WANTED = {"true", "1", "span_only", "span_and_event"}
_STOPPED, _CALLED, _BROKEN_OFF = "stop", "tool_call", "error"
"""Why an answer ended, in the words of the conventions; "length" is the same there."""


def wants_content(environment: Mapping[str, str]) -> bool:
    """Return whether spans are to have what was said."""
    return environment.get(_CAPTURE, "").strip().lower() in _WANTED


def prompt_content(request: GenerationRequest) -> dict[str, str]:
    """Return the attributes of what was asked."""
    match request.input:
        case Conversation(messages=messages, tools=tools):
            system = [_text(message.content) for message in messages if message.role == "system"]
            found = {"gen_ai.input.messages": [_message(one) for one in messages if one.role != "system"]}
            found |= {"gen_ai.system_instructions": system} if system else {}
            found |= {"gen_ai.tool.definitions": [_definition(tool) for tool in tools]} if tools else {}
        case Completion(prompt=prompt):
            parts = [_text(prompt if isinstance(prompt, str) else str(list(prompt)))]
            found = {"gen_ai.input.messages": [{"role": "user", "parts": parts}]}
        case Infill(prefix=prefix, suffix=suffix):
            found = {"gen_ai.input.messages": [{"role": "user", "parts": [_text(prefix), _text(suffix)]}]}
    return {name: orjson.dumps(value).decode() for name, value in found.items()}


def answer_content(said: Collector, finished: Iterable[Finished]) -> dict[str, str]:
    """Return the attribute of what was answered; what has not ``finished`` was broken off."""
    reasons = {end.choice: end.reason for end in finished}
    messages = []
    for index, choice in enumerate(said.so_far()):
        parts: list[dict[str, Any]] = [{"type": "reasoning", "content": choice.thinking}] if choice.thinking else []
        parts += [_text(choice.text)] if choice.text else []
        parts += [_call(call.name, call.arguments, call.id) for call in choice.calls]
        reason = reasons.get(index, _BROKEN_OFF)
        reason = _CALLED if choice.calls and reason == _STOPPED else reason
        messages.append({"role": "assistant", "parts": parts, "finish_reason": reason})
    return {"gen_ai.output.messages": orjson.dumps(messages).decode()}


def _definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function that may be called as the conventions have it: its name stands beside its type."""
    function = tool.get("function")
    about = function if isinstance(function, dict) else {name: tool[name] for name in tool if name != "type"}
    return {"type": tool.get("type") or "function", **about}


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        answer = {"type": "tool_call_response", "id": message.tool_call_id, "response": message.content}
        return {"role": "tool", "parts": [answer]}
    parts: list[dict[str, Any]] = [{"type": "reasoning", "content": message.thinking}] if message.thinking else []
    parts += [_text(message.content)] if message.content else []
    parts += [{"type": "blob", "bytes": len(image)} for image in message.images]  # how large it is, and not itself
    parts += [_call(call.name, call.raw or dict(call.arguments), call.id) for call in message.tool_calls]
    return {"role": message.role, "parts": parts}


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def _call(name: str, arguments: Any, identifier: str) -> dict[str, Any]:
    return {"type": "tool_call", "id": identifier, "name": name, "arguments": arguments}
