"""What messages and functions are in the bodies of every dialect: roles, calls of the past, tools."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from puna.api.http.body import in_their_case
from puna.errors import BadRequestError
from puna.inference.output.calls import lenient_object
from puna.inference.requests import Message, ToolCall
from puna.models.model import Model

_log = logging.getLogger(__name__)
_MOST_TOOL_VALUES = 50_000
"""Values in the schemas of all tools together; no model makes anything of so many."""
_ROLES = {role: role for role in ("system", "user", "assistant", "tool", "control")} | {
    "developer": "system",
    "function": "tool",
}
"""Roles, and what each is called in templates. ``control`` is Granite's switch for thinking."""


def role_of(text: str, field: str = "role") -> str:
    """Return the role that ``text`` names, as templates call it; raise ``BadRequestError`` for what is none."""
    role = _ROLES.get(text.lower())
    if role is None:
        raise BadRequestError(f'invalid role: "{text}" (must be one of {", ".join(_ROLES)})', param=field)
    return role


def own_messages(model: Model) -> tuple[Message, ...]:
    """Return the messages that a model begins every conversation with (MESSAGE in its Modelfile)."""
    return tuple(Message(role=role_of(one["role"]), content=one.get("content") or "") for one in model.messages)


def written_call(name: str, arguments: str, id: str, field: str) -> ToolCall:  # noqa: A002 - its name in every dialect
    """Return a call of the past whose arguments are the text ``arguments``, in JSON.

    What a model wrote in another way it is told as it wrote it: the conversation would be lost with an error.
    """
    found = _object(arguments)
    if found is not None:
        return ToolCall(name=name, arguments=found, id=id, raw=arguments)
    found = lenient_object(arguments)
    if found is None:
        _log.warning("%s is no JSON object; the model is told it as text", field)
        found = {"arguments": arguments}
    return ToolCall(name=name, arguments=found, id=id)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def with_tool_names(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return messages with the names of functions in their results, which some templates write, by the calls' ids."""
    names: dict[str, str] = {}
    done: list[Message] = []
    for message in messages:
        names.update({call.id: call.name for call in message.tool_calls if call.id})
        if message.role == "tool" and not message.tool_name and message.tool_call_id in names:
            message = replace(message, tool_name=names[message.tool_call_id])
        done.append(message)
    return tuple(done)


def functions(tools: Sequence[Mapping[str, Any]], field: str = "tools") -> tuple[dict[str, Any], ...]:
    """Return tools in OpenAI's form as requests hold them, checked and bounded; errors call them ``field``."""
    left, waiting = _MOST_TOOL_VALUES, list[Any](tools)
    while waiting:
        value = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        left -= len(inner)
        if left < 0:
            raise BadRequestError(f"the {field} have more than {_MOST_TOOL_VALUES} values", param=field)
        waiting.extend(inner)
    return tuple(_tool(in_their_case(tool, ("type", "function")), f"{field}.{n}") for n, tool in enumerate(tools))


def _tool(tool: dict[str, Any], field: str) -> dict[str, Any]:
    kind, function = tool.get("type") or "function", tool.get("function")
    if kind != "function":
        raise BadRequestError(f'tools of type "{kind}" are not supported (must be "function")', param=f"{field}.type")
    if isinstance(function, dict):
        function = in_their_case(function, ("name", "description", "parameters"))
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise BadRequestError("each tool needs a function with a name", param=f"{field}.function.name")
    if not isinstance(function.get("parameters"), dict | None):
        raise BadRequestError(
            f'the parameters of tool "{function["name"]}" must be a JSON Schema object',
            param=f"{field}.function.parameters",
        )
    return tool | {"type": kind, "function": function}
