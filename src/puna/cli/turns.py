"""How agents ask and what they are answered, one class a dialect: enough of each to play a recorded turn."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

_RESULT = "notes.txt\nprogram.py"


@dataclass(slots=True)
class Call:
    """A call of a function: its id, its name, and its arguments as they came."""

    id: str
    name: str
    arguments: str = ""


@dataclass(slots=True)
class Turn:
    """What an answer held. Tokens are those of the prompt, and those of it that came from the cache."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    tokens: int = 0
    cached: int = 0
    first: float = 0.0
    """Seconds until its first piece."""
    seconds: float = 0.0


class Speech(Protocol):
    """One dialect: how a recorded body is changed, and how an answer in it is read."""

    def ask(self, body: dict[str, Any], question: str, most_tokens: int) -> None:
        """Put a question in the place of the recorded one, and bound the answer."""

    def force(self, body: dict[str, Any]) -> None:
        """Ask for a call, whichever."""

    def go_on(self, body: dict[str, Any], turn: Turn) -> None:
        """Append an answer and what the agent would say to it: the results of its calls, or a word."""

    def read(self, turn: Turn, event: Mapping[str, Any]) -> None:
        """Take one event of the answer."""

    def tools(self, body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Return the schemas of the functions that may be called, by name."""


class Messages:
    """Anthropic's ``/v1/messages``."""

    def ask(self, body: dict[str, Any], question: str, most_tokens: int) -> None:
        """Put the question into the first message of the user."""
        body["messages"][0]["content"].append({"type": "text", "text": question})
        body["max_tokens"] = most_tokens

    def force(self, body: dict[str, Any]) -> None:
        """Ask for any call."""
        body["tool_choice"] = {"type": "any"}
        body["thinking"] = {"type": "disabled"}

    def go_on(self, body: dict[str, Any], turn: Turn) -> None:
        """Append blocks of the answer and of results."""
        said: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text.strip() else []
        said += [{"type": "tool_use", "id": c.id, "name": c.name, "input": _object(c.arguments)} for c in turn.calls]
        heard = [{"type": "tool_result", "tool_use_id": call.id, "content": _RESULT} for call in turn.calls]
        body["messages"] += [
            {"role": "assistant", "content": said or [{"type": "text", "text": "Yes."}]},
            {"role": "user", "content": heard or [{"type": "text", "text": "Go on."}]},
        ]

    def read(self, turn: Turn, event: Mapping[str, Any]) -> None:
        """Take an event of a stream of messages."""
        block, delta = event.get("content_block") or {}, event.get("delta") or {}
        usage = (event.get("message") or {}).get("usage") or event.get("usage") or {}
        cached = usage.get("cache_read_input_tokens") or 0
        if usage.get("input_tokens") is not None:
            turn.cached = cached
            turn.tokens = usage["input_tokens"] + cached + (usage.get("cache_creation_input_tokens") or 0)
        if block.get("type") == "tool_use":
            turn.calls.append(Call(block["id"], block["name"]))
        turn.text += delta.get("text") or ""
        if turn.calls:
            turn.calls[-1].arguments += delta.get("partial_json") or ""

    def tools(self, body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Return the tools that have a schema."""
        return {tool["name"]: tool["input_schema"] for tool in body["tools"] if "input_schema" in tool}


class Responses:
    """OpenAI's ``/v1/responses``."""

    def ask(self, body: dict[str, Any], question: str, most_tokens: int) -> None:
        """Put the question into the last item."""
        body["input"][-1]["content"][0]["text"] = question
        body["max_output_tokens"] = most_tokens

    def force(self, body: dict[str, Any]) -> None:
        """Ask for any call."""
        body["tool_choice"] = "required"

    def go_on(self, body: dict[str, Any], turn: Turn) -> None:
        """Append items of the answer and of results."""
        said = {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": turn.text or "Yes."}],
        }
        body["input"] += [said] if turn.text or not turn.calls else []
        for call in turn.calls:
            about = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
            body["input"] += [
                {"type": "function_call", **about},
                {"type": "function_call_output", "call_id": call.id, "output": _RESULT},
            ]
        if not turn.calls:
            body["input"].append(
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on."}]}
            )

    def read(self, turn: Turn, event: Mapping[str, Any]) -> None:
        """Take an event of a stream of responses."""
        kind, item = event.get("type"), event.get("item") or {}
        if kind == "response.output_text.delta":
            turn.text += event["delta"]
        elif kind == "response.output_item.done" and item.get("type") == "function_call":
            turn.calls.append(Call(item["call_id"], item["name"], item["arguments"]))
        elif usage := (event.get("response") or {}).get("usage"):
            turn.tokens = usage["input_tokens"]
            turn.cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0

    def tools(self, body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Return the functions; other kinds of tools are the agent's own."""
        return {tool["name"]: tool["parameters"] for tool in body["tools"] if tool["type"] == "function"}


class Chat:
    """OpenAI's ``/v1/chat/completions``."""

    def ask(self, body: dict[str, Any], question: str, most_tokens: int) -> None:
        """Put the question into the last message."""
        body["messages"][-1]["content"] = question
        body["max_tokens"] = most_tokens

    def force(self, body: dict[str, Any]) -> None:
        """Ask for any call."""
        body["tool_choice"] = "required"

    def go_on(self, body: dict[str, Any], turn: Turn) -> None:
        """Append messages of the answer and of results."""
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in turn.calls
        ]
        body["messages"].append({"role": "assistant", "content": turn.text} | ({"tool_calls": calls} if calls else {}))
        heard = [{"role": "tool", "tool_call_id": call.id, "content": _RESULT} for call in turn.calls]
        body["messages"] += heard or [{"role": "user", "content": "Go on."}]

    def read(self, turn: Turn, event: Mapping[str, Any]) -> None:
        """Take a chunk of a chat."""
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            turn.text += delta.get("content") or ""
            for piece in delta.get("tool_calls") or ():
                function = piece.get("function") or {}
                if piece["index"] >= len(turn.calls):
                    turn.calls.append(Call(piece.get("id") or "", function.get("name") or ""))
                turn.calls[piece["index"]].arguments += function.get("arguments") or ""
        if usage := event.get("usage"):
            turn.tokens = usage["prompt_tokens"]
            turn.cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0

    def tools(self, body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Return the functions."""
        return {tool["function"]["name"]: tool["function"]["parameters"] for tool in body["tools"]}


SPEECHES: Mapping[str, Speech] = {
    "/v1/messages": Messages(),
    "/v1/responses": Responses(),
    "/v1/chat/completions": Chat(),
}
"""The dialects by the paths that agents ask."""


def fits(call: Call, tools: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is wrong with a call, "" if it names a tool and gives it what it needs."""
    if call.name not in tools:
        return f"it called {call.name!r}, which is no tool of the agent"
    try:
        given = json.loads(call.arguments or "{}")
    except ValueError:
        return f"the arguments of its call of {call.name} are not JSON"
    missing = [name for name in _required(tools[call.name]) if not (isinstance(given, dict) and name in given)]
    return f"its call of {call.name} lacks {', '.join(missing)}" if missing else ""


def _required(schema: Mapping[str, Any]) -> Iterable[str]:
    return schema.get("required") or ()


def _object(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}
