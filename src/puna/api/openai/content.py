"""From OpenAI's messages to a conversation."""

from collections.abc import Iterable, Sequence
from typing import Any

from puna.api.messages import role_of, with_tool_names, written_call
from puna.api.openai.custom import INPUT
from puna.api.openai.schemas import ChatMessage
from puna.api.parts import MediaReader
from puna.errors import BadRequestError
from puna.inference.media.placing import joined
from puna.inference.requests import Message, ToolCall

_KINDS = ("text", "refusal", "image_url", "input_audio")
"""Kinds of parts of which is read, beside the type, what is called as they are."""
_TEXTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Kinds of parts that are text, and the field that it is in."""


async def messages_of(bodies: Sequence[ChatMessage], media: MediaReader) -> tuple[Message, ...]:
    """Return the messages of a conversation, pictures fetched; errors name the field."""
    return with_tool_names([await _message(body, f"messages.{index}", media) for index, body in enumerate(bodies)])


def unread(bodies: Iterable[ChatMessage]) -> Iterable[str]:
    """Yield the names of what parts of messages have that has no effect, and official clients may send."""
    for part in (part for body in bodies if not isinstance(body.content, str) for part in body.content):
        if (kind := part.get("type")) in _KINDS:
            yield from (f"messages.content.{name}" for name in part if name not in ("type", kind))
        image = part.get("image_url")
        if isinstance(image, dict) and image.get("detail") not in (None, "auto"):
            yield "messages.content.image_url.detail"


async def _message(body: ChatMessage, field: str, media: MediaReader) -> Message:
    if body.audio:
        raise BadRequestError(f"{field}.audio: answers that were spoken are not kept here", param=f"{field}.audio")
    role = role_of(body.role, f"{field}.role")
    content = [body.content] if isinstance(body.content, str) else await parts_of(body.content, field, media)
    text, images, places = joined([*content, body.refusal] if body.refusal else content)
    return Message(
        role=role,
        content=text,
        images=images,
        places=places,
        thinking=body.reasoning or body.reasoning_content,
        tool_calls=tuple(_calls(body, field)),
        tool_name=body.name if role == "tool" else "",
        tool_call_id=body.tool_call_id,
    )


async def parts_of(parts: Iterable[dict[str, Any]], field: str, media: MediaReader) -> list[str | bytes]:
    """Return the parts of a message in their order: texts, and the bytes of pictures and sounds."""
    return [await _part(part, f"{field}.content.{index}", media) for index, part in enumerate(parts)]


async def _part(part: dict[str, Any], field: str, media: MediaReader) -> str | bytes:
    kind = part.get("type")
    if isinstance(kind, str) and kind in _TEXTS:
        return _text(part, _TEXTS[kind], field)
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if not isinstance(url, str):
            raise BadRequestError(f"{field}.image_url.url must be a string", param=f"{field}.image_url.url")
        return await media.at(url, f"{field}.image_url.url")
    if kind == "input_audio":
        sound = part.get("input_audio")
        where = f"{field}.input_audio"
        return await media.sound(_text(sound if isinstance(sound, dict) else {}, "data", where), f"{where}.data")
    shown = f'"{kind[:40]}"' if isinstance(kind, str) else "none"
    raise BadRequestError(
        f"{field}.type must be text, image_url, input_audio or refusal, not {shown}", param=f"{field}.type"
    )


def _text(value: dict[str, Any], name: str, field: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise BadRequestError(f"{field}.{name} must be a string", param=f"{field}.{name}")
    return text


def _calls(body: ChatMessage, field: str) -> Iterable[ToolCall]:
    for index, call in enumerate(body.tool_calls):
        where = f"{field}.tool_calls.{index}"
        if call.get("type") == "custom":
            yield _custom_call(call.get("custom"), str(call.get("id") or ""), f"{where}.custom")
            continue
        if call.get("type", "function") != "function":
            raise BadRequestError(f'{where}.type must be "function" or "custom"', param=f"{where}.type")
        yield _call(call.get("function"), str(call.get("id") or ""), f"{where}.function")
    if body.function_call:
        yield _call(body.function_call, "", f"{field}.function_call")


def _call(function: Any, id: str, field: str) -> ToolCall:  # noqa: A002 - its name in the dialect
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise BadRequestError(f"{field} needs a name", param=f"{field}.name")
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # as Ollama writes them; some programs mix the two
        return ToolCall(name=name, arguments=arguments, id=id)
    if not isinstance(arguments, str | None):
        raise BadRequestError(f"{field}.arguments must be a string", param=f"{field}.arguments")
    return written_call(name, arguments or "", id, f"{field}.arguments")


def _custom_call(custom: Any, id: str, field: str) -> ToolCall:  # noqa: A002 - its name in the dialect
    given = custom if isinstance(custom, dict) else {}
    name, text = given.get("name"), given.get("input", "")
    if not isinstance(name, str) or not isinstance(text, str):
        raise BadRequestError(f"{field} needs a name and an input, both strings", param=field)
    return ToolCall(name=name, arguments={INPUT: text}, id=id)
