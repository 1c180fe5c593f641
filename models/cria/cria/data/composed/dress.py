"""The same functions as frameworks write them: pydantic's titles, OpenAI's strict mode, LlamaIndex's signatures, MCP's names.

What a function is called and what its arguments are called stays, so a call that was right stays right.
"""

from collections.abc import Callable
from typing import Any

from cria.data.skills.words import Draw

Tool = dict[str, Any]
PYTHON = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list"}
DRESSED_SHARE = 0.35
"""Of the functions of an example: those that are dressed, all in the same way."""
SENT_ON_SHARE = 0.7
"""Of the examples: those whose definitions have the order of keys that ``/api/chat`` gives them."""


def pydantic(tool: Tool) -> Tool:
    """Titles everywhere; what may be left out has a default."""
    parameters = tool["function"]["parameters"]
    required = parameters["required"]
    properties = {
        key: {
            **({} if key in required else {"default": None}),
            **found,
            "title": key.replace("_", " ").title(),
        }
        for key, found in parameters["properties"].items()
    }
    return _with(tool, {"properties": properties, "required": required, "title": tool["function"]["name"]})


def nullable(tool: Tool) -> Tool:
    """Optional arguments as ``anyOf`` of their type and null, as pydantic writes ``X | None``."""
    parameters = tool["function"]["parameters"]
    properties = {
        key: found if key in parameters["required"] else {"anyOf": [found, {"type": "null"}], "default": None}
        for key, found in parameters["properties"].items()
    }
    return _with(tool, {"properties": properties, "required": parameters["required"]})


def closed(tool: Tool) -> Tool:
    """OpenAI's strict mode for functions without optional arguments, and its order of keys."""
    parameters = tool["function"]["parameters"]
    if set(parameters["required"]) != set(parameters["properties"]):
        return tool
    made = _with(
        tool,
        {"properties": parameters["properties"], "required": parameters["required"], "additionalProperties": False},
    )
    return {**made, "function": {**made["function"], "strict": True}}


def signature(tool: Tool) -> Tool:
    """The Python signature before the description, as LlamaIndex sends it."""
    function = tool["function"]
    arguments = ", ".join(
        f"{key}: {PYTHON[found['type']]}" for key, found in function["parameters"]["properties"].items()
    )
    return {
        **tool,
        "function": {**function, "description": f"{function['name']}({arguments})\n{function['description']}"},
    }


def bare(tool: Tool) -> Tool:
    """LangChain's order: properties first; and no ``required`` where nothing is."""
    parameters = tool["function"]["parameters"]
    made = {"properties": parameters["properties"], "required": parameters["required"]}
    return _with(tool, made if made["required"] else {"properties": made["properties"]})


def docstring(tool: Tool) -> Tool:
    """A description that lists the arguments, as a docstring does."""
    function = tool["function"]
    listed = "\n".join(f"    {key}: the {key.replace('_', ' ')}" for key in function["parameters"]["properties"])
    return {**tool, "function": {**function, "description": f"{function['description']}\n\nArgs:\n{listed}"}}


OBJECT = ("type", "$defs", "items", "required", "properties")
PROPERTY = ("anyOf", "type", "items", "description", "enum", "properties")
"""The keys that come first in the parameters of a definition and in each of them; the others follow as they came."""


def as_sent_on(tool: Tool) -> Tool:
    """As ``/api/chat`` sends every definition to the model: the order of keys, and what is left out, are Ollama's."""
    function = tool["function"]
    parameters = {key: value for key, value in function["parameters"].items() if key != "required" or value}
    parameters["properties"] = {key: _ordered(found, PROPERTY) for key, found in parameters["properties"].items()}
    kept = {key: function[key] for key in ("name", "description")}
    return {**tool, "function": {**kept, "parameters": _ordered(parameters, OBJECT)}}


def _ordered(schema: dict[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    return {**{key: schema[key] for key in first if key in schema}, **schema}


def _with(tool: Tool, parameters: dict[str, Any]) -> Tool:
    return {**tool, "function": {**tool["function"], "parameters": {**parameters, "type": "object"}}}


DRESSES: tuple[Callable[[Tool], Tool], ...] = (pydantic, nullable, closed, signature, bare, docstring)


def dressed(d: Draw, tools: list[Tool]) -> list[Tool]:
    """The functions as one of the frameworks writes them, or as they are; mostly as the model reads them in the end."""
    if d.chance(DRESSED_SHARE):
        dress = d.pick(DRESSES)
        tools = [dress(tool) for tool in tools]
    return [as_sent_on(tool) for tool in tools] if d.chance(SENT_ON_SHARE) else tools
