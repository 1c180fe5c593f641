"""From the blocks of Anthropic's messages to the messages of a conversation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from puna.api.anthropic.schemas import Block, MessageBody
from puna.api.parts import decode_media
from puna.api.seal import Seal
from puna.errors import BadRequestError
from puna.inference.media.placing import joined
from puna.inference.requests import Message, ToolCall

_BILLING = "x-anthropic-billing-header"
"""Claude Code begins its system prompt with such a line, which is another one on each call."""
_REMINDER = "<system-reminder>"
_WITHOUT_CONTENT = frozenset(["fallback", "mcp_tool_listing"])
"""Kinds of blocks that a server sends for itself: nothing in them is for the model."""


def system_text(system: str | Sequence[Block], where: str = "system") -> str:
    """Return a system prompt as one text, without the line that only bills."""
    texts = [system] if isinstance(system, str) else [_text(block, f"{where}.{i}") for i, block in enumerate(system)]
    return "\n".join(text for text in map(_unbilled, texts) if text)


def _unbilled(text: str) -> str:
    return text.partition("\n")[2] if text.startswith(_BILLING) else text


def urls_of(messages: Iterable[MessageBody]) -> Iterator[str]:
    """Yield the URLs of the pictures in messages."""
    waiting: list[Any] = [message.content for message in messages][::-1]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value[::-1]
        elif isinstance(value, dict):
            source = value.get("source")
            if value.get("type") == "image" and isinstance(source, dict) and source.get("type") == "url":
                url = source.get("url")
                if isinstance(url, str) and not url.startswith("data:"):
                    yield url
            nested = source.get("content") if isinstance(source, dict) else None
            waiting += [nested, value.get("content")]


class Turns:
    """Puts the messages of a conversation together out of blocks; turns of one role that follow each other are one.

    ``media`` has what was fetched for the URLs in them.
    """

    def __init__(self, seal: Seal, media: Mapping[str, bytes]) -> None:
        self.head: list[str] = []
        """What messages of role "system" before all others say."""
        self._seal, self._media = seal, media
        self._done: list[Message] = []
        self._said: list[str | bytes] = []
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[ToolCall] = []
        self._answers = False
        self._names: dict[str, str] = {}

    def add(self, message: MessageBody, where: str, *, last: bool) -> None:
        """Take the next message; ``last`` tells that no message of the user's follows."""
        content = message.content
        if message.role == "system":
            if message.clear_at != "next_user_message" or last:
                self._remind(system_text(content, f"{where}.content"))
        elif message.role in ("user", "assistant"):
            take = self._take_from_user if message.role == "user" else self._take_from_model
            blocks: Sequence[Block] = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for index, block in enumerate(blocks):
                take(block, where if isinstance(content, str) else f"{where}.content.{index}")
        else:
            raise BadRequestError(f'{where}.role must be "user", "assistant" or "system", not "{message.role[:40]}"')

    def done(self) -> tuple[Message, ...]:
        """Return the messages."""
        self._end_user()
        self._end_model()
        return tuple(self._done)

    def _remind(self, text: str) -> None:
        """Put a word of the system's where it was said: templates move it to the beginning, or refuse it."""
        if not text:
            return
        if not self._done and not self._said and not self._answers:
            self.head.append(text)
            return
        self._end_model()
        self._said.append(text if text.lstrip().startswith(_REMINDER) else f"{_REMINDER}\n{text}\n</system-reminder>")

    def _take_from_user(self, block: Block, where: str) -> None:
        self._end_model()
        if block.get("type") == "tool_result":
            self._end_user()
            self._done.append(self._result(block, where))
        else:
            self._said += self._parts(block, where)

    def _result(self, block: Block, where: str) -> Message:
        call = _string(block, "tool_use_id", where)
        content = block.get("content") or ""
        parts = [content] if isinstance(content, str) else self._all_parts(content, f"{where}.content")
        text, images, places = joined(parts)
        if block.get("is_error") is True:
            begun = "Error: "
            text, places = begun + text, tuple(place + len(begun) for place in places)
        return Message(
            role="tool",
            content=text,
            images=images,
            places=places,
            tool_call_id=call,
            tool_name=self._names.get(call, ""),
        )

    def _take_from_model(self, block: Block, where: str) -> None:
        self._end_user()
        self._answers = True
        match _kind(block, where):
            case "text":
                self._texts += [text] if (text := _text(block, where)) else []
            case "thinking":
                signature, said = block.get("signature") or "", _string(block, "thinking", where)
                thought = self._seal.open(signature, said, f"{where}.signature") if isinstance(signature, str) else said
                self._thoughts += [thought] if thought else []
            case "redacted_thinking":
                thought = self._seal.open(_string(block, "data", where), "", f"{where}.data")
                self._thoughts += [thought] if thought else []
            case "tool_use":
                self._calls.append(self._call(block, where))
            case "compaction":
                summary = block.get("content")
                self._texts += [summary] if isinstance(summary, str) and summary else []
            case kind if kind not in _WITHOUT_CONTENT:
                raise _unknown(kind, where)

    def _call(self, block: Block, where: str) -> ToolCall:
        name, call = _string(block, "name", where), _string(block, "id", where)
        arguments = block.get("input")
        if not isinstance(arguments, dict):
            raise BadRequestError(f"{where}.input must be an object")
        self._names[call] = name
        return ToolCall(name=name, arguments=arguments, id=call)

    def _end_user(self) -> None:
        if self._said:
            text, images, places = joined(self._said)
            self._done.append(Message(role="user", content=text, images=images, places=places))
            self._said = []

    def _end_model(self) -> None:
        if self._answers:
            self._done.append(
                Message(
                    role="assistant",
                    content="\n".join(self._texts),
                    thinking="\n".join(self._thoughts),
                    tool_calls=tuple(self._calls),
                )
            )
            self._texts, self._thoughts, self._calls, self._answers = [], [], [], False

    def _all_parts(self, blocks: Any, where: str) -> list[str | bytes]:
        if not isinstance(blocks, list):
            raise BadRequestError(f"{where} must be a string or an array of blocks")
        return [part for index, block in enumerate(blocks) for part in self._parts(block, f"{where}.{index}")]

    def _parts(self, block: Any, where: str) -> list[str | bytes]:
        """Return what a block shows: texts and pictures, in their order."""
        match _kind(block, where):
            case "text":
                return [text] if (text := _text(block, where)) else []
            case "image":
                return [self._image(_object(block, "source", where), f"{where}.source")]
            case "document":
                return self._document(block, where)
            case "search_result":
                texts = self._all_parts(block.get("content"), f"{where}.content")
                return _framed("search_result", texts, block.get("source"), block.get("title"))
            case "tool_reference":
                return [f"The tool {_string(block, 'tool_name', where)} can be called."]
            case kind if kind in _WITHOUT_CONTENT:
                return []
            case kind:
                raise _unknown(kind, where)

    def _image(self, source: Block, where: str) -> bytes:
        match _kind(source, where):
            case "base64":
                return decode_media(_string(source, "data", where), f"{where}.data")
            case "url":
                url = _string(source, "url", where)
                return decode_media(url, f"{where}.url") if url.startswith("data:") else self._media[url]
            case kind:
                raise BadRequestError(f'{where}: sources of type "{kind[:40]}" are not supported for pictures')

    def _document(self, block: Block, where: str) -> list[str | bytes]:
        source = _object(block, "source", where)
        match _kind(source, f"{where}.source"):
            case "text":
                parts: list[str | bytes] = [_string(source, "data", f"{where}.source")]
            case "content":
                inner = source.get("content")
                inner_where = f"{where}.source.content"
                parts = [inner] if isinstance(inner, str) else self._all_parts(inner, inner_where)
            case kind:
                media = source.get("media_type")
                named = f" ({media[:60]})" if isinstance(media, str) else ""
                raise BadRequestError(
                    f'{where}.source: documents of type "{kind[:40]}"{named} are not supported, only plain text'
                )
        return _framed("document", parts, block.get("title"), block.get("context"))


def _framed(tag: str, parts: Sequence[str | bytes], *about: Any) -> list[str | bytes]:
    """Return parts between tags, after lines that say what they are."""
    lines = [line for line in about if isinstance(line, str) and line]
    return ["\n".join([f"<{tag}>", *lines]), *parts, f"</{tag}>"]


def _unknown(kind: str, where: str) -> BadRequestError:
    return BadRequestError(f'{where}: blocks of type "{kind[:60]}" are not supported')


def _kind(block: Any, where: str) -> str:
    if not isinstance(block, dict):
        raise BadRequestError(f"{where} must be an object")
    return _string(block, "type", where)


def _text(block: Any, where: str) -> str:
    kind = _kind(block, where)
    if kind != "text":
        raise _unknown(kind, where)
    return _string(block, "text", where)


def _string(block: Block, name: str, where: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise BadRequestError(f"{where}.{name} must be a string")
    return value


def _object(block: Block, name: str, where: str) -> Block:
    value = block.get(name)
    if not isinstance(value, dict):
        raise BadRequestError(f"{where}.{name} must be an object")
    return value
