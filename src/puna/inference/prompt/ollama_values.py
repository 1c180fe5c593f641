"""What a request gives to a template: neutral values, and their form as the Go values that templates see.

The fields and their order are those of Ollama's ``template/template.go`` and ``api/types.go``. Objects that
came as JSON keep the order in which they were written; keys that Ollama's types lack follow the known ones
instead of being dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from puna.gotemplate.gojson import JsonMap, JsonStruct, marshal
from puna.gotemplate.values import NamedList, Stringer, StringList, Struct

_EXACT_INTEGERS = 1 << 53
_TYPESCRIPT = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "any[]",
    "object": "Record<string, any>",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class TemplateToolCall:
    """A call that an earlier answer made. ``arguments`` keeps the order in which the model wrote them."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """One turn. Tags that stand for images are part of ``content`` already."""

    role: str
    content: str = ""
    thinking: str = ""
    tool_calls: tuple[TemplateToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""
    image_count: int = 0


@dataclass(frozen=True, slots=True)
class TemplateValues:
    """Everything that a template may ask for.

    ``tools`` are definitions as the API takes them. ``think`` is None where the request is silent, a bool, or
    a level such as ``"high"``. ``prompt`` with ``suffix`` asks to fill in the middle; without messages it is
    the one message of the user.
    """

    messages: Sequence[TemplateMessage] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    prompt: str = ""
    suffix: str = ""
    response: str = ""
    think: bool | str | None = None

    @property
    def think_level(self) -> str:
        """The level as text; thinking without a level is ``medium``."""
        if isinstance(self.think, str):
            return self.think
        return "medium" if self.think else ""


class Message(Struct):
    type_name = "template.templateMessage"
    pointer = True


class ToolCall(Struct):
    type_name = "template.templateToolCall"


class ToolCallFunction(Struct):
    type_name = "template.templateToolCallFunction"


class Arguments(JsonMap):
    type_name = "template.templateArgs"


class Properties(JsonMap):
    type_name = "template.templateProperties"


class Tool(JsonStruct):
    type_name = "template.templateTool"


class ToolFunction(JsonStruct):
    type_name = "template.templateToolFunction"


class ToolParameters(JsonStruct):
    type_name = "template.templateToolFunctionParameters"


class ToolProperty(JsonStruct):
    type_name = "api.ToolProperty"


class PropertyType(NamedList, Stringer):
    """One type name or several."""

    type_name = "api.PropertyType"

    def go_string(self) -> str:
        return self[0] if len(self) == 1 else "[" + " ".join(self) + "]" if self else ""


class Tools(NamedList, Stringer):
    """The tools of a request; prints as JSON, and as ``null`` where there are none."""

    type_name = "template.templateTools"

    def go_string(self) -> str:
        return marshal(self) if self else "null"


def to_go(value: Any) -> Any:
    """A JSON value as Go decodes it: numbers become floats, unless that would change an integer."""
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return float(value) if abs(value) <= _EXACT_INTEGERS else value
    if isinstance(value, Mapping):
        return JsonMap({str(key): to_go(item) for key, item in value.items()})
    if isinstance(value, Sequence):
        return [to_go(item) for item in value]
    return str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def _document(source: Mapping[str, Any], known: Mapping[str, tuple[Any, bool]]) -> JsonMap:
    """Known keys in struct order, without the empty ones marked so, then all others as written."""
    document = JsonMap()
    for key, (value, omit_empty) in known.items():
        if value or not omit_empty:
            document[key] = value
    for key, value in source.items():
        if key not in known:
            document[key] = to_go(value)
    return document


def _property(source: Any) -> ToolProperty:
    source = _mapping(source)
    any_of = [_property(item) for item in source.get("anyOf") or ()]
    types = PropertyType(_strings(source.get("type")))
    properties = _properties(source.get("properties"))
    required = StringList(_strings(source.get("required")))
    enum = to_go(source.get("enum") or [])
    items, description = to_go(source.get("items")), _text(source.get("description"))
    document = _document(
        source,
        {
            "anyOf": (any_of, True),
            "type": (types[0] if len(types) == 1 else list(types), True),
            "items": (items, items is None),
            "description": (description, True),
            "enum": (enum, True),
            "properties": (properties, source.get("properties") is None),
            "required": (required, True),
        },
    )
    return ToolProperty(
        document,
        AnyOf=any_of,
        Type=types,
        Items=items,
        Description=description,
        Enum=enum,
        Properties=properties,
        Required=required,
    )


def _properties(source: Any) -> Properties:
    return Properties({str(name): _property(item) for name, item in _mapping(source).items()})


def _parameters(source: Any) -> ToolParameters:
    source = _mapping(source)
    defs, items = to_go(source.get("$defs")), to_go(source.get("items"))
    required = StringList(_strings(source.get("required")))
    properties = _properties(source.get("properties"))
    kind = _text(source.get("type"))
    document = _document(
        source,
        {
            "type": (kind, False),
            "$defs": (defs, defs is None),
            "items": (items, items is None),
            "required": (required, True),
            "properties": (None if source.get("properties") is None else properties, False),
        },
    )
    return ToolParameters(document, Type=kind, Defs=defs, Items=items, Required=required, Properties=properties)


def _function(source: Any) -> ToolFunction:
    source = _mapping(source)
    name, description = _text(source.get("name")), _text(source.get("description"))
    parameters = _parameters(source.get("parameters"))
    document = _document(
        source,
        {"name": (name, False), "description": (description, False), "parameters": (parameters, False)},
    )
    return ToolFunction(document, Name=name, Description=description, Parameters=parameters)


def _tool(source: Mapping[str, Any]) -> Tool:
    kind, items = _text(source.get("type")), to_go(source.get("items"))
    function = _function(source.get("function"))
    document = _document(
        source, {"type": (kind, False), "items": (items, items is None), "function": (function, False)}
    )
    return Tool(document, Type=kind, Items=items, Function=function)


def tools_to_go(tools: Sequence[Mapping[str, Any]]) -> Tools:
    """Tool definitions as templates see them: their fields by name, printed as JSON in struct order."""
    return Tools(_tool(tool) for tool in tools)


def tools_in_order(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tool definitions as plain JSON with their keys in struct order, so that every path renders the same text."""
    return [orjson.loads(marshal(tool)) for tool in tools_to_go(tools)]


def message_to_go(message: TemplateMessage) -> Message:
    """A turn as templates see it."""
    calls = [
        ToolCall(
            ID=call.id,
            Function=ToolCallFunction(
                Index=index,
                Name=call.name,
                Arguments=Arguments({key: to_go(value) for key, value in call.arguments.items()}),
            ),
        )
        for index, call in enumerate(message.tool_calls)
    ]
    return Message(
        Role=message.role,
        Content=message.content,
        Thinking=message.thinking,
        Images=[""] * message.image_count,
        ToolCalls=calls,
        ToolName=message.tool_name,
        ToolCallID=message.tool_call_id,
    )


def typescript_type(value: Any) -> str:
    """``toTypeScriptType``: the TypeScript type of a tool's property; ``any`` for everything else."""
    if not isinstance(value, ToolProperty):
        return "any"
    if value.fields["AnyOf"]:
        return " | ".join(typescript_type(option) for option in value.fields["AnyOf"])
    return " | ".join(_TYPESCRIPT.get(name, "any") for name in value.fields["Type"]) or "any"
