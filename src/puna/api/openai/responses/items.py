"""From the items of an input to the messages of a conversation.

What an assistant has said, its thoughts and its calls are items of their own here, and one message to a model. Kinds of
items that say nothing are passed over; one that nobody knows is refused if something would be lost with it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from puna.api.messages import role_of, with_tool_names, written_call
from puna.api.openai.responses.blame import blaming
from puna.api.openai.responses.media import media_part
from puna.api.openai.responses.tools import flat_name
from puna.cipher import Cipher
from puna.errors import BadRequestError
from puna.inference.media.placing import joined
from puna.inference.requests import Message, ToolCall

THOUGHTS, SUMMARY = "reasoning", "compaction"
"""What a text is sealed for."""
SUMMARY_HEAD = "The conversation so far was compacted. This is its summary:\n\n"
_SILENT = {
    "ghost_snapshot",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_list_tools",
    "tool_search_call",
    "web_search_call",
}
"""Kinds of items that add nothing to what is said."""
_ELSEWHERE = {"additional_tools", "configuration_update", "tool_search_output"}
"""Kinds that change the request, and are read with it."""
_CONTENT = ("content", "output", "text", "input", "arguments", "result", "results", "summary", "encrypted_content")
_TEXTS = {"input_text", "output_text", "text", "summary_text", "reasoning_text"}
_FILES = {"input_image", "input_audio", "input_file", "computer_screenshot"}


@dataclass(slots=True)
class _Said:
    """What an assistant has said in one turn."""

    thinking: str = ""
    content: str = ""
    calls: list[ToolCall] = field(default_factory=list)


class Reader:
    """Reads items into messages. ``passed`` are the kinds of items that were passed over."""

    def __init__(self, seal: Cipher, web: Mapping[str, bytes]) -> None:
        self.passed: list[str] = []
        self._seal = seal
        self._web = web
        self._messages: list[Message] = []
        self._said: _Said | None = None

    def read(self, items: Iterable[Mapping[str, Any]], first: int = 0, field: str = "input") -> None:
        """Take the next items, which errors call ``field``; they count the first of them as ``first``."""
        for index, item in enumerate(items, first):
            where = f"{field}[{index}]"
            kind = str(item.get("type") or ("message" if "role" in item else ""))
            read = _READERS.get(kind)
            if read:
                with blaming(where):
                    read(self, item, where)
            elif kind in _ELSEWHERE:
                continue
            elif kind == "compaction_trigger":
                raise BadRequestError(f"{where}: conversations are compacted at /v1/responses/compact", param=field)
            elif kind in _SILENT or not any(item.get(name) for name in _CONTENT):
                self.passed.append(kind)
            else:
                raise BadRequestError(f'{where}: unknown input item type: "{kind[:80]}"', param=field)

    def messages(self) -> list[Message]:
        """Return the messages that the items are."""
        self._flush()
        return list(with_tool_names(self._messages))

    def _flush(self) -> None:
        said, self._said = self._said, None
        if said:
            self._messages.append(
                Message(role="assistant", content=said.content, thinking=said.thinking, tool_calls=tuple(said.calls))
            )

    def _turn(self, *, fresh: bool) -> _Said:
        if self._said and fresh and (self._said.content or self._said.calls):
            self._flush()
        self._said = self._said or _Said()
        return self._said

    def _message(self, item: Mapping[str, Any], where: str) -> None:
        role = role_of(str(item.get("role", "")), f"{where}.role")
        content, images, places = self._content(item.get("content"), f"{where}.content")
        if role == "assistant" and not images:
            self._turn(fresh=True).content = content
            return
        self._flush()
        self._messages.append(Message(role=role, content=content, images=images, places=places))

    def _agent_message(self, item: Mapping[str, Any], where: str) -> None:
        """Take what another agent says (Codex): to the model it is said from outside."""
        content, images, places = self._content(item.get("content"), f"{where}.content")
        self._flush()
        head = f"Message from {author}:\n" if isinstance(author := item.get("author"), str) and author else ""
        places = tuple(place + len(head) for place in places)
        self._messages.append(Message(role="user", content=head + content, images=images, places=places))

    def _reasoning(self, item: Mapping[str, Any], where: str) -> None:
        sealed = item.get("encrypted_content")
        thinking = self._seal.open(sealed, THOUGHTS) if isinstance(sealed, str) else None
        if thinking is None:
            parts = item.get("content") or item.get("summary") or []
            thinking = self._content(parts, f"{where}.content")[0]
        if thinking:
            self._turn(fresh=True).thinking = thinking

    def _function_call(self, item: Mapping[str, Any], where: str) -> None:
        raw = item.get("arguments") or ""
        if not isinstance(raw, str):
            raise BadRequestError(f"{where}.arguments must be a string")
        name = flat_name(item.get("namespace"), _text(item, "name", where))
        self._turn(fresh=False).calls.append(written_call(name, raw, _call_id(item), f"{where}.arguments"))

    def _custom_call(self, item: Mapping[str, Any], where: str) -> None:
        self._call(item, where, {"input": _text(item, "input", where)})

    def _action_call(self, item: Mapping[str, Any], where: str) -> None:
        """Take a call of a tool that a vendor has defined: its kind is the name, what it does the arguments."""
        given = item.get("action") or item.get("operation") or item.get("actions") or item.get("queries")
        arguments = given if isinstance(given, dict) else {"input": given or item.get("code") or ""}
        name = str(item["type"]).removesuffix("_call")
        self._call(item, where, {key: value for key, value in arguments.items() if key != "type"}, name=name)
        results = item.get("results") or item.get("outputs") or item.get("output")
        if results:
            self._result(item, where, orjson.dumps(results).decode() if not isinstance(results, str) else results)

    def _mcp_call(self, item: Mapping[str, Any], where: str) -> None:
        self._function_call(item, where)
        if output := item.get("output") or item.get("error"):
            self._result(item, where, output if isinstance(output, str) else orjson.dumps(output).decode())

    def _call(self, item: Mapping[str, Any], where: str, arguments: Mapping[str, Any], name: str = "") -> None:
        name = name or flat_name(item.get("namespace"), _text(item, "name", where))
        self._turn(fresh=False).calls.append(ToolCall(name=name, arguments=arguments, id=_call_id(item)))

    def _output(self, item: Mapping[str, Any], where: str) -> None:
        output = item.get("output")
        if isinstance(output, dict):  # a screenshot
            output = [output]
        if isinstance(output, list) and not any(
            isinstance(part, dict) and "type" in part for part in output
        ):  # a shell's
            output = orjson.dumps(output).decode()
        self._result(item, where, output)

    def _result(self, item: Mapping[str, Any], where: str, output: object) -> None:
        content, images, places = self._content(output, f"{where}.output")
        self._flush()
        self._messages.append(
            Message(role="tool", content=content, images=images, places=places, tool_call_id=_call_id(item))
        )

    def _compaction(self, item: Mapping[str, Any], where: str) -> None:
        sealed = item.get("encrypted_content")
        summary = self._seal.open(sealed, SUMMARY) if isinstance(sealed, str) else None
        if summary is None:
            raise BadRequestError(f"{where}.encrypted_content was not made by this server")
        self._flush()
        self._messages.append(Message(role="user", content=SUMMARY_HEAD + summary))

    def _content(self, content: object, where: str) -> tuple[str, tuple[bytes, ...], tuple[int, ...]]:
        if content is None or isinstance(content, str):
            return content or "", (), ()
        if not isinstance(content, list):
            raise BadRequestError(f"{where} must be a string or an array")
        return joined(self._part(part, f"{where}[{index}]") for index, part in enumerate(content))

    def _part(self, part: object, where: str) -> str | bytes:
        if isinstance(part, str):
            return part
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict) or not isinstance(kind, str):
            raise BadRequestError(f"{where} must be an object with a type")
        if kind in _TEXTS:
            return _text(part, "text", where)
        if kind == "refusal":
            return _text(part, "refusal", where)
        if kind in _FILES:
            return media_part(part, where, self._web)
        raise BadRequestError(f'{where}: unknown content type: "{kind[:80]}"')


def _text(item: Mapping[str, Any], name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise BadRequestError(f"{where}.{name} must be a string")
    return value


def _call_id(item: Mapping[str, Any]) -> str:
    return str(item.get("call_id") or item.get("id") or "")


_ACTIONS = (
    "local_shell_call",
    "shell_call",
    "apply_patch_call",
    "computer_call",
    "file_search_call",
    "code_interpreter_call",
)
_OUTPUTS = ("function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call")
_READERS: dict[str, Callable[[Reader, Mapping[str, Any], str], None]] = {
    "message": Reader._message,
    "agent_message": Reader._agent_message,
    "reasoning": Reader._reasoning,
    "compaction": Reader._compaction,
    "compaction_summary": Reader._compaction,
    "context_compaction": Reader._compaction,
    "function_call": Reader._function_call,
    "custom_tool_call": Reader._custom_call,
    "mcp_call": Reader._mcp_call,
    **dict.fromkeys(_ACTIONS, Reader._action_call),
    **dict.fromkeys([f"{name}_output" for name in _OUTPUTS], Reader._output),
}
